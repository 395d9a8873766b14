"""What the worker process runs."""

import requests


def post(url: str, body: bytes) -> int:
    answer = requests.post(url, data=body, headers={"Content-Type": "application/json"}, timeout=10)
    answer.raise_for_status()
    return answer.status_code

""".env.example documents each variable, and its values make a production installation without a warning."""

import re
import subprocess
import sys
from pathlib import Path

from cryptography.fernet import Fernet

from tests.program import ROOT

EXAMPLE = (ROOT / ".env.example").read_text()
READ = re.compile(r'\benv\.[a-z_]+\(\s*"([A-Z_]+)"')


def documented() -> list[str]:
    return re.findall(r"^([A-Z_]+)=", EXAMPLE, re.MULTILINE)


def test_it_names_exactly_what_the_program_reads():
    read = {
        name for file in ("settings.py", "gunicorn.py") for name in READ.findall((ROOT / "leadcrm" / file).read_text())
    }
    assert len(read) > 20
    assert set(documented()) == read
    assert len(documented()) == len(set(documented()))


def test_each_variable_has_one_line_of_explanation():
    lines = EXAMPLE.splitlines()
    for number, line in enumerate(lines):
        if re.match(r"[A-Z_]+=", line):
            assert lines[number - 1].startswith("# "), line
            assert not lines[number - 2].startswith("# "), line


def test_no_setting_is_read_past_it():
    sources = [path for app in ("leadcrm", "leads", "webhooks") for path in (ROOT / app).rglob("*.py")]
    own = {"settings.py", "gunicorn.py", "run.py", "bootstrap.py"}
    assert not [
        path
        for path in sources
        if path.name not in own and re.search(r"os\.environ(\[|\.get)|getenv", path.read_text())
    ]


def test_check_deploy_has_nothing_to_say_about_its_values(tmp_path: Path):
    keys = {
        "SECRET_KEY": "p7xE1kqLw0ZrT4mB9vHd2sYnUa6oJfGc3iQe8RtXyWlKzVbN5M",
        "WEBHOOK_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
    }
    text = EXAMPLE
    for name, value in keys.items():
        text = re.sub(rf"^{name}=.*$", f"{name}={value}", text, flags=re.MULTILINE)
    file = tmp_path / "env"
    file.write_text(text)
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "DEBUG"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "ENV_FILE": str(file)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "System check identified no issues (0 silenced).\n"
    assert done.stderr == ""

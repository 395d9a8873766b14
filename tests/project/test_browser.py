"""Real Chromium against a real page: the fixtures work, and the sign-in page breaks none of its own rules."""

import pytest


@pytest.mark.django_db(transaction=True)
def test_the_sign_in_page_opens_and_breaks_no_policy(live_server, page, django_user_model):
    django_user_model.objects.create_superuser("dana", "dana@example.com", "a good password")
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{live_server.url}/")
    page.fill("input[name=username]", "dana")
    page.fill("input[name=password]", "a good password")
    page.click("button[type=submit]")
    page.wait_for_url(f"{live_server.url}/admin/")
    assert complaints == []

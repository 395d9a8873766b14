import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import connection

from tests import factories
from webhooks.models import Webhook

pytestmark = pytest.mark.django_db


def stored(column):
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM webhooks_webhook")
        return cursor.fetchone()[0]


def test_nothing_readable_is_stored():
    factories.webhook(secret="geheim", custom_headers={"X-Token": "auch geheim"})
    assert "geheim" not in stored("secret") + stored("custom_headers")
    webhook = Webhook.objects.get()
    assert (webhook.secret, webhook.custom_headers) == ("geheim", {"X-Token": "auch geheim"})


def test_a_new_key_in_front_reads_the_old_and_writes_the_new(settings):
    factories.webhook(secret="geheim")
    old = stored("secret")
    (key,) = settings.WEBHOOK_ENCRYPTION_KEYS
    settings.WEBHOOK_ENCRYPTION_KEYS = [Fernet.generate_key().decode(), key]
    webhook = Webhook.objects.get()
    webhook.save()
    assert stored("secret") == old, "what nobody read is stored as it was"
    assert webhook.secret == "geheim"
    webhook.save()
    settings.WEBHOOK_ENCRYPTION_KEYS = settings.WEBHOOK_ENCRYPTION_KEYS[:1]
    assert Webhook.objects.get().secret == "geheim"


def test_a_lost_key_is_an_error_and_never_ciphertext(settings):
    factories.webhook(secret="geheim")
    settings.WEBHOOK_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    (webhook,) = Webhook.objects.all()
    with pytest.raises(ValueError, match="none of WEBHOOK_ENCRYPTION_KEYS fits"):
        webhook.secret  # noqa: B018
    webhook.name = "still editable"
    webhook.save()
    webhook.secret = "another"
    webhook.save()
    assert Webhook.objects.get().secret == "another"


def test_an_empty_secret_stays_empty():
    factories.webhook(secret="")
    assert stored("secret") == ""
    assert Webhook.objects.get().secret == ""


def test_reencrypt_lets_the_old_key_go(settings):
    factories.webhook(secret="geheim", custom_headers={"X-Token": "auch"})
    new = Fernet.generate_key().decode()
    settings.WEBHOOK_ENCRYPTION_KEYS = [new, *settings.WEBHOOK_ENCRYPTION_KEYS]
    call_command("reencrypt", verbosity=0)
    settings.WEBHOOK_ENCRYPTION_KEYS = [new]
    webhook = Webhook.objects.get()
    assert (webhook.secret, webhook.custom_headers) == ("geheim", {"X-Token": "auch"})


def test_reencrypt_changes_nothing_when_one_secret_is_lost(settings):
    factories.webhook(name="lost", secret="geheim")
    settings.WEBHOOK_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    before = stored("secret")
    with pytest.raises(CommandError, match="lost: a stored secret cannot be decrypted"):
        call_command("reencrypt")
    assert stored("secret") == before

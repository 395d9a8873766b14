import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as some
from standardwebhooks import Webhook, WebhookVerificationError

from webhooks.wire.signature import key, sign_standard, verify_standard

MESSAGE = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W"
BODY = '{"event":"lead.updated","data":{"name":"Zoë"}}'.encode()
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
PLAIN = "kq3T7vXb0Zr9LwPf2NdYh5Ju8McAe1Gs6Ri4Qo-_BtE"


def now() -> int:
    return int(datetime.now(UTC).timestamp())


@pytest.mark.parametrize("secret", [SECRET, PLAIN], ids=["whsec", "plain"])
def test_the_public_library_verifies_what_we_sign(secret: str) -> None:
    timestamp = now()
    headers = {
        "webhook-id": MESSAGE,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign_standard(MESSAGE, timestamp, BODY, [secret]),
    }
    # It base64-decodes any str, so that a secret which is no base64 has to be given as bytes.
    Webhook(secret if secret == SECRET else secret.encode()).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(b"another").verify(BODY, headers)


def test_we_verify_what_the_public_library_signs() -> None:
    at = datetime.now(UTC)
    signature = Webhook(SECRET).sign(MESSAGE, at, BODY.decode())
    assert verify_standard(MESSAGE, str(int(at.timestamp())), BODY, signature, [SECRET])


def test_two_secrets_sign_side_by_side_and_either_verifies() -> None:
    header = sign_standard(MESSAGE, 1763716445, BODY, [SECRET, PLAIN])
    assert header.count("v1,") == 2
    for secret in (SECRET, PLAIN):
        assert verify_standard(MESSAGE, "1763716445", BODY, header, [secret])
        assert verify_standard(MESSAGE, "1763716445", BODY, header, ["another", secret])


@pytest.mark.parametrize(
    ("message", "timestamp", "body"),
    [("msg_other", "1763716445", BODY), (MESSAGE, "1763716446", BODY), (MESSAGE, "1763716445", BODY + b" ")],
    ids=["id", "timestamp", "body"],
)
def test_every_part_is_signed(message: str, timestamp: str, body: bytes) -> None:
    header = sign_standard(MESSAGE, 1763716445, BODY, [SECRET])
    assert not verify_standard(message, timestamp, body, header, [SECRET])


def test_a_version_we_do_not_know_proves_nothing() -> None:
    header = sign_standard(MESSAGE, 1763716445, BODY, [SECRET]).replace("v1,", "v2,")
    assert not verify_standard(MESSAGE, "1763716445", BODY, header, [SECRET])


@given(some.text(), some.text(), some.binary(), some.text() | some.text().map(lambda text: f"v1,{text}"))
def test_what_a_stranger_sent_never_raises(message: str, timestamp: str, body: bytes, header: str) -> None:
    assert not verify_standard(message, timestamp, body, header, [SECRET])


def test_a_secret_that_only_looks_like_base64_is_refused() -> None:
    with pytest.raises(ValueError, match="base64"):
        key("whsec_not base64!")

import base64
import hmac
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as some
from standardwebhooks import Webhook, WebhookVerificationError

from webhooks.wire.signature import (
    key,
    sign_hmac_sha256,
    sign_standard,
    standard_proof,
    verify_hmac_sha256,
    verify_standard,
)
from webhooks.wire.verdict import Proof

MESSAGE = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W"
BODY = '{"event":"lead.updated","data":{"name":"Zoë"}}'.encode()
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
PLAIN = "kq3T7vXb0Zr9LwPf2NdYh5Ju8McAe1Gs6Ri4Qo-_BtE"


def now() -> int:
    return int(datetime.now(UTC).timestamp())


def test_the_vector_of_the_specifications_own_libraries() -> None:
    signature = sign_standard(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


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


# The proof that an inbox shows


def signed(body: bytes = BODY, *secrets: str) -> dict[str, str]:
    signature = sign_standard(MESSAGE, 1763716445, body, secrets or (SECRET,))
    return {"Webhook-Id": MESSAGE, "webhook-timestamp": "1763716445", "WEBHOOK-SIGNATURE": signature}


def test_the_headers_prove_the_body_in_any_case_and_with_any_secret_in_force() -> None:
    verified = standard_proof(BODY, signed(BODY, PLAIN), [SECRET, PLAIN])
    assert (verified.outcome, verified.payload, verified.payload_is_body) == (Proof.VERIFIED, BODY, True)


@pytest.mark.parametrize("headers", [{}, {"webhook-id": MESSAGE}, {"webhook-signature": " "}])
def test_no_signature_is_unsigned(headers: dict[str, str]) -> None:
    assert standard_proof(BODY, headers, [SECRET]).outcome == Proof.UNSIGNED


def test_what_does_not_fit_is_wrong() -> None:
    assert standard_proof(BODY + b" ", signed(), [SECRET]).outcome == Proof.WRONG
    assert standard_proof(BODY, signed(), [PLAIN]).outcome == Proof.WRONG
    assert standard_proof(BODY, signed(), []).outcome == Proof.WRONG


@pytest.mark.parametrize("missing", ["Webhook-Id", "webhook-timestamp"])
def test_a_signature_of_nothing_named_is_wrong_and_says_what_is_missing(missing: str) -> None:
    headers = signed()
    del headers[missing]
    verified = standard_proof(BODY, headers, [SECRET])
    assert (verified.outcome, verified.payload) == (Proof.WRONG, b"")
    assert missing.lower() in verified.detail


# The hex HMAC in a header of the system's own

# printf '%s' "$body" | openssl dgst -sha256 -hmac "$secret", for BODY and PLAIN
OPENSSL = "6b1ec0930937911f2c55074176ca1e26383ce4585dfa7b82d6a0db984672f532"


def test_openssl_and_we_sign_alike() -> None:
    assert sign_hmac_sha256(BODY, PLAIN) == f"sha256={OPENSSL}"


def test_the_whole_secret_is_the_key_whatever_it_begins_with() -> None:
    assert sign_hmac_sha256(BODY, SECRET) == f"sha256={hmac.new(SECRET.encode(), BODY, 'sha256').hexdigest()}"


@pytest.mark.parametrize("value", [f"sha256={OPENSSL}", f" SHA256={OPENSSL.upper()} "])
def test_a_hex_hmac_is_accepted_with_any_secret_in_force(value: str) -> None:
    assert verify_hmac_sha256(BODY, value, [PLAIN])
    assert verify_hmac_sha256(BODY, value, ["another", PLAIN])
    assert not verify_hmac_sha256(BODY, value, ["another"])
    assert not verify_hmac_sha256(BODY, value, [])
    assert not verify_hmac_sha256(BODY + b" ", value, [PLAIN])


@pytest.mark.parametrize(
    "value", ["", "sha256=", OPENSSL, f"sha1={OPENSSL}", f"sha256={OPENSSL[:-1]}", "sha256=é\ud800"]
)
def test_anything_else_is_not(value: str) -> None:
    assert not verify_hmac_sha256(BODY, value, [PLAIN])

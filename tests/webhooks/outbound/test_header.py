from __future__ import annotations

import pytest

from webhooks.outbound.header import LONGEST_NAME, LONGEST_VALUE, is_reserved, name_fault, value_fault


@pytest.mark.parametrize("name", ["X-Api-Key", "x", "webhook_source", "!#$%&'*+-.^_`|~", "X" * LONGEST_NAME])
def test_header_names(name):
    assert name_fault(name) is None


@pytest.mark.parametrize(
    "name", ["", "X Key", "X:Key", "X-Ké", "X\r\nHost", "X\n", "X\0", "X\t", '"X"', "(X)", "X" * (LONGEST_NAME + 1)]
)
def test_what_is_no_header_name(name):
    assert name_fault(name)


@pytest.mark.parametrize("name", ["Host", "content-length", "TRANSFER-ENCODING", "Connection", "Accept-Encoding"])
def test_headers_that_frame_the_request_are_refused(name):
    assert "cannot be set" in name_fault(name)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("webhook-id", "kept for"),
        ("Webhook-Signature", "kept for"),
        ("webhook-anything", "kept for"),
        ("Proxy-Authorization", "proxy"),
        ("TE", "how the request is sent"),
        ("Upgrade", "how the request is sent"),
        ("Expect", "how the request is sent"),
        ("Metadata-Flavor", "metadata"),
        ("metadata", "metadata"),
        ("X-aws-ec2-metadata-token", "metadata"),
        ("X-aws-ec2-metadata-token-ttl-seconds", "metadata"),
    ],
)
def test_headers_that_speak_to_somebody_else_are_refused(name, word):
    assert word in name_fault(name)
    assert is_reserved(name)


@pytest.mark.parametrize("name", ["X-Webhook-Id", "Authorization", "X-Metadata", "Cookie", "X-Proxy", "webhook"])
def test_headers_that_only_look_like_them_are_fine(name):
    assert name_fault(name) is None
    assert not is_reserved(name)


@pytest.mark.parametrize("value", ["a", "Bearer abc.def", "a\tb", "~!@#$%^&*()", "v" * LONGEST_VALUE])
def test_header_values(value):
    assert value_fault("X-Key", value) is None


@pytest.mark.parametrize(
    "value", ["", " a", "a ", "a\r\nHost: evil", "a\n", "a\r", "a\0", "\x7f", "ä", "v" * (LONGEST_VALUE + 1)]
)
def test_what_is_no_header_value(value):
    fault = value_fault("X-Key", value)
    assert fault
    assert len(value) < 3 or value not in fault

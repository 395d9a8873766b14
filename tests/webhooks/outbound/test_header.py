from __future__ import annotations

import pytest

from webhooks.outbound.header import LONGEST_NAME, LONGEST_VALUE, name_fault, value_fault


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

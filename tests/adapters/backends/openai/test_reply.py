"""What is said of a whole reply that is none."""

from __future__ import annotations

import pytest

from crucible.adapters.backends.openai.reply import parse_reply
from crucible.messages.errors import MalformedReplyError

ODD = "the reply is not what was expected"
CHECK = "check base_url, which mostly ends in /v1"


@pytest.mark.parametrize(
    ("body", "content_type", "told"),
    [
        (b"", "application/json", "the reply is empty"),
        (b'{"choices"', "application/json", f"{ODD}: Input data was truncated"),
        (
            b"<html>Welcome",
            "text/html",
            f"{ODD} (content type text/html): JSON is malformed: invalid character (byte 0): {CHECK}",
        ),
        (b'{"choices": []}', "application/json", "the reply holds no choices"),
    ],
)
def test_a_reply_that_is_none_is_told_in_one_line(body: bytes, content_type: str, told: str) -> None:
    with pytest.raises(MalformedReplyError) as malformed:
        parse_reply(body, content_type)
    assert str(malformed.value) == told

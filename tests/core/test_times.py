"""Times as people write them, and as they are kept."""

from __future__ import annotations

import pytest

from respell.errors import UsageError
from respell.times import now_us, parse_rfc3339, rfc3339


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (1_795_377_904_892_667, "2026-11-22T20:05:04.892667Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
    ],
)
def test_a_time_becomes_text_and_the_same_time_again(at: int, text: str) -> None:
    assert rfc3339(at) == text
    assert parse_rfc3339(text) == at


def test_people_may_write_less() -> None:
    assert parse_rfc3339("2026-11-22") == parse_rfc3339("2026-11-22T00:00:00Z")
    assert parse_rfc3339(" 2026-11-22T02:00:00+02:00 ") == parse_rfc3339("2026-11-22T00:00Z")
    assert abs(parse_rfc3339(rfc3339(now_us())) - now_us()) < 60_000_000


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01"])
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="is not a time: write it as 2026-11-22T10:00:00Z"):
        parse_rfc3339(text)

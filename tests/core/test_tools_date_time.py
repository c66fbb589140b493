"""date_time_handler: reading, writing, moving and comparing times."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import respell
from respell.errors import EffectFailed
from respell.store import Store
from respell.tools import ToolRegistry
from respell.tools.builtin._time_formats import FORMATS, has_reader, read_as, read_time, write_time
from workbench import tool_context

TOOLS = ToolRegistry()
HERE = Path(__file__).parent
MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))


def ask(**params: Any) -> Any:
    return TOOLS.invoke("date_time_handler", params, tool_context(HERE))["result"]


def test_parsing_in_v060s_envelope() -> None:
    answer = TOOLS.invoke(
        "date_time_handler", {"input": "2024-01-15T10:30:00Z"}, tool_context(HERE)
    )
    assert answer["result"] == {
        "input": "2024-01-15T10:30:00Z",
        "parsed": {
            "utc": "2024-01-15T10:30:00Z",
            "timestamp": 1705314600,
            "year": 2024,
            "month": 1,
            "day": 15,
            "hour": 10,
            "minute": 30,
            "second": 0,
            "weekday": "Monday",
        },
        "format_used": "%Y-%m-%dT%H:%M:%S%.fZ",
    }
    assert json.loads(answer["text"]) == {
        "operation": "parse",
        "success": True,
        "message": "Date parsed successfully",
        "result": answer["result"],
    }
    assert answer["metadata"] == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", "1970-01-01T00:00:00Z"),
        ("-1", "1969-12-31T23:59:59Z"),
        ("1705315800", "2024-01-15T10:50:00Z"),
        ("2024-01-15T10:30:00.25+02:00", "2024-01-15T08:30:00.250Z"),
        ("2024-01-15t10:30:00z", "2024-01-15T10:30:00Z"),
        ("2024-01-15 10:30:00.123456Z", "2024-01-15T10:30:00.123456Z"),
        ("2024-01-15T10:30:00+0100", "2024-01-15T09:30:00Z"),
        ("2024-01-15T10:30", "2024-01-15T10:30:00Z"),
        ("2024-01-15 10:30:00", "2024-01-15T10:30:00Z"),
        (" 2024-01-15 ", "2024-01-15T00:00:00Z"),
        ("Mon, 15 Jan 2024 10:30:00 GMT", "2024-01-15T10:30:00Z"),
        ("Mon, 15 Jan 2024 10:30:00 -0500", "2024-01-15T15:30:00Z"),
        ("15 Jan 2024 10:30 EST", "2024-01-15T15:30:00Z"),
        ("2024/01/15 10:30:00", "2024-01-15T10:30:00Z"),
        ("2024/1/5", "2024-01-05T00:00:00Z"),
        ("03/04/2024", "2024-04-03T00:00:00Z"),  # day first, as v0.6.0 tried them
        ("01/15/2024", "2024-01-15T00:00:00Z"),
        ("01/15/2024 10:30:00", "2024-01-15T10:30:00Z"),
        ("15-01-2024", "2024-01-15T00:00:00Z"),
        ("15.01.2024 10:30:00", "2024-01-15T10:30:00Z"),
        ("january 15, 2024", "2024-01-15T00:00:00Z"),
        ("Jan 15, 2024 10:30:00", "2024-01-15T10:30:00Z"),
        ("February 29, 2024", "2024-02-29T00:00:00Z"),
    ],
)
def test_every_form_of_input(text: str, expected: str) -> None:
    assert ask(input=text)["parsed"]["utc"] == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "soon", "2024-02-30", "2023-02-29", "24:00", "2024-01-15T25:00:00Z",
        "Tue, 15 Jan 2024 10:30:00 GMT",  # it was a Monday
        "2024-01-15T10:30:00+25:00", "15 Jan 2024 10:30:00 XXX", "999999999999999999",
        "0000-01-01", "2024-01-15T10:30:00Z and more", "x" * 2000,
    ],
)  # fmt: skip
def test_what_is_no_time_is_said(text: str) -> None:
    with pytest.raises(EffectFailed, match="parameter input"):
        ask(input=text)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("%Y-%m-%d %H:%M:%S", "2024-01-05 15:04:09"),
        ("%A, %d %B %Y", "Friday, 05 January 2024"),
        ("%a %b %e %-d/%-m %y %C", "Fri Jan  5 5/1 24 20"),
        ("%I:%M %p %l %P %k", "03:04 PM  3 pm 15"),
        ("%j %U %W %V %G %g %u %w", "005 00 01 01 2024 24 5 5"),
        ("%F %T %D %R %r", "2024-01-05 15:04:09 01/05/24 15:04 03:04:09 PM"),
        ("%c|%v|%x|%X", "Fri Jan  5 15:04:09 2024| 5-Jan-2024|01/05/24|15:04:09"),
        ("%f %3f %.3f %6f %.6f %9f %.9f", "250000000 250 .250 250000 .250000 250000000 .250000000"),
        ("%S%.f %z %:z %::z %Z", "09.250 +0000 +00:00 +00:00:00 UTC"),
        ("%s 100%% %n%t|", "1704467049 100% \n\t|"),
        ("%_m %0e %+", " 1 05 2024-01-05T15:04:09.250+00:00"),
        ("ISO8601", "2024-01-05T15:04:09.250Z"),
        ("rfc3339", "2024-01-05T15:04:09.250+00:00"),
        ("RFC2822", "Fri, 05 Jan 2024 15:04:09 +0000"),
        ("unix", "1704467049"),
        ("timestamp", "1704467049"),
        ("unix_ms", "1704467049250"),
        ("at", "at"),
    ],
)
def test_every_sign_of_a_format(pattern: str, expected: str) -> None:
    assert ask(input="2024-01-05T15:04:09.25Z", format=pattern)["parsed"]["utc"] == expected


@pytest.mark.parametrize("pattern", ["%Q", "100%", "%-A", "%99999999d", "%", "%.5f"])
def test_a_sign_that_is_none_is_named(pattern: str) -> None:
    with pytest.raises(EffectFailed, match="parameter format: there is no sign '%"):
        ask(input="0", format=pattern)


def test_a_format_has_a_length() -> None:
    with pytest.raises(EffectFailed, match="parameter format has 2000 bytes"):
        ask(input="0", format="%A" * 1000)


def test_now_is_now_here_and_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    here = ask(operation="now")
    assert here["timezone"] == "local"
    assert read_time("input", here["datetime"]) >= before
    tokyo = ask(operation="now", timezone="Asia/Tokyo")
    # v0.6.0 ended it with a Z, which made it another time.
    assert tokyo["datetime"].endswith("+09:00")
    assert abs(read_time("input", tokyo["datetime"]) - before) < timedelta(seconds=10)
    assert tokyo["format"] == "%Y-%m-%dT%H:%M:%S%.f%:z"
    assert ask(operation="now", timezone="UTC")["format"] == "%Y-%m-%dT%H:%M:%S%.fZ"
    assert ask(operation="now", format="%Z", timezone="UTC")["datetime"] == "UTC"


def test_zones_have_summer_and_winter() -> None:
    def in_new_york(text: str) -> Any:
        return ask(operation="convert_timezone", input=text, target_timezone="America/New_York")

    assert in_new_york("2024-01-15T10:30:00Z") == {
        "input": "2024-01-15T10:30:00Z",
        "target_timezone": "America/New_York",
        "original": "2024-01-15 10:30:00 UTC",
        "converted": "2024-01-15 05:30:00 EST",
    }
    assert in_new_york("2024-07-15T10:30:00Z")["converted"] == "2024-07-15 06:30:00 EDT"
    shown = ask(
        operation="convert_timezone", input="0", target_timezone="Asia/Kolkata", format="%T %:z"
    )
    assert shown["converted"] == "05:30:00 +05:30"


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("seconds", "2024-02-28T23:59:59Z"), ("sec", "2024-02-28T23:59:59Z"),
        ("S", "2024-02-28T23:59:59Z"), ("minute", "2024-02-28T23:59:00Z"),
        ("m", "2024-02-28T23:59:00Z"), ("hrs", "2024-02-28T23:00:00Z"),
        ("Day", "2024-02-28T00:00:00Z"), ("w", "2024-02-22T00:00:00Z"),
    ],
)  # fmt: skip
def test_units_by_all_their_names(unit: str, expected: str) -> None:
    moved = ask(operation="subtract", input="2024-02-29", amount=1, unit=unit)
    assert moved == {
        "input": "2024-02-29",
        "amount": 1,
        "unit": unit,
        "original": "2024-02-29T00:00:00Z",
        "result": expected,
    }


@given(
    moment=st.datetimes(datetime(100, 1, 1), datetime(9900, 1, 1), timezones=st.just(UTC)),
    seconds=st.integers(-(10**9), 10**9),
)
def test_adding_subtracting_and_the_difference_agree(moment: datetime, seconds: int) -> None:
    start = write_time(moment, "ISO8601")
    moved = ask(operation="add", input=start, amount=seconds, unit="seconds")["result"]
    back = ask(operation="subtract", input=moved, amount=seconds, unit="s")["result"]
    assert back == start
    between = ask(operation="difference", start=start, end=moved)["difference"]
    assert between["total_seconds"] == seconds
    assert between["days"] == int(seconds / 86_400)
    assert between["human_readable"].endswith("ago") == (seconds < 0)


@given(moment=MOMENTS)
def test_what_was_written_is_read_again(moment: datetime) -> None:
    for pattern in FORMATS:
        assert has_reader(pattern)
        written = write_time(moment, pattern)
        found = read_as(written, pattern)
        assert found is not None
        assert write_time(found, pattern) == written


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        ("2024-01-15", "2024-01-17T03:00:00Z", "2 days, 3 hours"),
        ("0", "3665", "1 hour, 1 minute, 5 seconds"),
        ("3600", "0", "1 hour ago"),
        ("5", "5", "0 seconds"),
    ],
)
def test_a_difference_in_words(start: str, end: str, words: str) -> None:
    found = ask(operation="difference", start=start, end=end)["difference"]
    assert found["human_readable"] == words


def test_what_is_known_of_a_day() -> None:
    assert ask(operation="info", input="2024-02-29T12:00:00Z")["info"] == {
        "year": 2024, "month": 2, "day": 29, "hour": 12, "minute": 0, "second": 0,
        "weekday": "Thursday", "day_of_year": 60, "week_of_year": 9, "is_leap_year": True,
        "days_in_month": 29, "start_of_day": "2024-02-29T00:00:00Z",
        "end_of_day": "2024-02-29T23:59:59.999999999Z",
    }  # fmt: skip


def test_formats_are_listed() -> None:
    found = ask(operation="formats")
    assert len(found["available_formats"]) == 22
    assert found["example_formats"]["Date only"] == "%Y-%m-%d"


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"operation": "nwo"}, "no operation 'nwo'; did you mean now"),
        ({}, "parameter input is missing; operation parse needs it"),
        ({"operation": "add", "input": "0"}, "parameter amount is missing"),
        ({"operation": "add", "input": "0", "amount": 1}, "parameter unit is missing"),
        ({"operation": "add", "input": "0", "amount": 1.5, "unit": "d"}, "amount must be an integ"),
        ({"operation": "add", "input": "0", "amount": 1, "unit": "dayz"}, "did you mean days"),
        ({"operation": "add", "input": "0", "amount": 10**15, "unit": "w"}, "outside the years"),
        ({"operation": "difference", "start": "0"}, "parameter end is missing"),
        ({"operation": "difference", "start": "0", "end": "x"}, "parameter end: 'x' is no time"),
        ({"operation": "now", "timezone": "Europe/Berln"}, "did you mean Europe/Berlin"),
        ({"operation": "now", "timezone": "../../etc/passwd"}, "there is no time zone"),
        ({"operation": "now", "timezone": "/etc/passwd"}, "there is no time zone"),
        ({"operation": "now", "timezone": ""}, "there is no time zone ''"),
        ({"operation": "convert_timezone", "input": "0"}, "target_timezone is missing"),
        ({"input": 5}, "parameter input must be a string, not the number 5"),
        ({"inputs": "0"}, "parameter inputs is unknown; did you mean input"),
    ],
)
def test_what_is_wrong_with_a_call(params: dict[str, Any], says: str) -> None:
    with pytest.raises(EffectFailed, match=says):
        ask(**params)


def test_a_whole_float_is_an_integer_and_other_names_are_known() -> None:
    moved = ask(operation="add", date_string="0", amount=2.0, unit="h")
    assert moved["result"] == "1970-01-01T02:00:00Z"


def test_the_time_a_script_saw_is_what_it_sees_again(script: Any, store: Store) -> None:
    result = script(
        """
        local now = Tool.date_time_handler:execute{operation = "now", timezone = "UTC"}
        print(now.result.datetime, JSON.parse(now.text).operation)
        local ok, err = pcall(Tool.invoke, "date_time_handler", {input = "soon"})
        print(ok, err)
        """
    )
    assert script.lines[0].endswith("now")
    assert "is no time that is known here" in script.lines[1]
    assert respell.replay(result.session, store=store).identical

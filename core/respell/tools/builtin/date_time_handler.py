"""date_time_handler: reads, writes, moves and compares times."""

from __future__ import annotations

import calendar
import difflib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from respell.errors import UsageError
from respell.tools.builtin._time_formats import (
    FORMATS,
    ISO,
    ISO_WITH_OFFSET,
    WEEKDAYS,
    epoch_seconds,
    read_time,
    write_time,
)
from respell.tools.model import Tool, ToolContext, reads
from respell.tools.parameters import chosen, limited, needed, shortened
from respell.tools.result import ToolResult, enveloped

_MAX_NAME_BYTES = 100
_MAX_AMOUNT = 10**15

_PARAMETERS = {
    "type": "object",
    "properties": {
        "operation": {
            "type": "string",
            "default": "parse",
            "description": "parse, now, convert_timezone, add, subtract, difference, info or "
            "formats",
        },
        "input": {
            "type": "string",
            "description": "the time: seconds since 1970, RFC 3339, RFC 2822, or one of the "
            "formats that operation formats lists",
        },
        "timezone": {"type": "string", "description": "now: its zone, e.g. America/New_York"},
        "target_timezone": {"type": "string", "description": "convert_timezone: to which zone"},
        "amount": {
            "type": "integer",
            "minimum": -_MAX_AMOUNT,
            "maximum": _MAX_AMOUNT,
            "description": "add, subtract: how many units",
        },
        "unit": {
            "type": "string",
            "description": "add, subtract: seconds, minutes, hours, days or weeks",
        },
        "start": {"type": "string", "description": "difference: from when"},
        "end": {"type": "string", "description": "difference: until when"},
        "format": {
            "type": "string",
            "description": "how times are written: signs of strftime, or ISO8601, RFC3339, "
            "RFC2822, unix or unix_ms",
        },
    },
    "additionalProperties": False,
}

_UNITS = {
    "seconds": timedelta(seconds=1),
    "minutes": timedelta(minutes=1),
    "hours": timedelta(hours=1),
    "days": timedelta(days=1),
    "weeks": timedelta(weeks=1),
}
_UNIT_NAMES = {
    **{name: name for name in _UNITS},
    **{name.removesuffix("s"): name for name in _UNITS},
    "s": "seconds", "sec": "seconds", "secs": "seconds",
    "m": "minutes", "min": "minutes", "mins": "minutes",
    "h": "hours", "hr": "hours", "hrs": "hours",
    "d": "days",
    "w": "weeks",
}  # fmt: skip


def _perform(params: dict[str, Any], ctx: ToolContext) -> ToolResult:
    operation = chosen("operation", params.get("operation", "parse"), _OPERATIONS)
    try:
        return _OPERATIONS[operation](params)
    except OverflowError:
        raise UsageError("the result is outside the years 1 to 9999") from None


def _time(params: dict[str, Any], name: str) -> datetime:
    return read_time(name, needed(params, name, f"operation {params.get('operation', 'parse')}"))


def _parse(params: dict[str, Any]) -> ToolResult:
    moment = _time(params, "input")
    pattern = params.get("format", ISO)
    parsed = {
        "utc": write_time(moment, pattern),
        "timestamp": epoch_seconds(moment),
        **_fields(moment),
    }
    result = {"input": params["input"], "parsed": parsed, "format_used": pattern}
    return enveloped("parse", result, message="Date parsed successfully")


def _now(params: dict[str, Any]) -> ToolResult:
    zone = params.get("timezone")
    moment = datetime.now(UTC)
    moment = moment.astimezone() if zone is None else moment.astimezone(_zone("timezone", zone))
    # A time elsewhere is not one in UTC, which is what a Z at its end says.
    usual = ISO_WITH_OFFSET if moment.utcoffset() else ISO
    pattern = params.get("format", usual)
    result = {
        "timezone": "local" if zone is None else zone,
        "datetime": write_time(moment, pattern),
        "format": pattern,
    }
    return enveloped("now", result, message="Current time retrieved")


def _convert_timezone(params: dict[str, Any]) -> ToolResult:
    moment = _time(params, "input")
    zone = needed(params, "target_timezone", "operation convert_timezone")
    pattern = params.get("format", "%Y-%m-%d %H:%M:%S %Z")
    result = {
        "input": params["input"],
        "target_timezone": zone,
        "original": write_time(moment, pattern),
        "converted": write_time(moment.astimezone(_zone("target_timezone", zone)), pattern),
    }
    return enveloped("convert_timezone", result, message="Timezone converted successfully")


def _add(params: dict[str, Any]) -> ToolResult:
    return _moved(params, "add", 1)


def _subtract(params: dict[str, Any]) -> ToolResult:
    return _moved(params, "subtract", -1)


def _moved(params: dict[str, Any], operation: str, direction: int) -> ToolResult:
    moment = _time(params, "input")
    amount = needed(params, "amount", f"operation {operation}")
    unit = needed(params, "unit", f"operation {operation}")
    known = _UNIT_NAMES.get(unit.lower())
    step = _UNITS[known or chosen("unit", unit.lower(), _UNITS)]
    pattern = params.get("format", ISO)
    result = {
        "input": params["input"],
        "amount": amount,
        "unit": unit,
        "original": write_time(moment, pattern),
        "result": write_time(moment + direction * amount * step, pattern),
    }
    return enveloped(operation, result, message=f"{operation} operation completed")


def _difference(params: dict[str, Any]) -> ToolResult:
    between = _time(params, "end") - _time(params, "start")
    seconds = _towards_zero(between, timedelta(seconds=1))
    difference = {
        "total_seconds": seconds,
        "days": _towards_zero(between, timedelta(days=1)),
        "hours": _towards_zero(between, timedelta(hours=1)),
        "minutes": _towards_zero(between, timedelta(minutes=1)),
        "human_readable": _in_words(seconds),
    }
    result = {"start": params["start"], "end": params["end"], "difference": difference}
    return enveloped("difference", result, message="Date difference calculated")


def _info(params: dict[str, Any]) -> ToolResult:
    moment = _time(params, "input")
    day = write_time(moment, "%Y-%m-%d")
    info = {
        **_fields(moment),
        "day_of_year": moment.timetuple().tm_yday,
        "week_of_year": moment.isocalendar().week,
        "is_leap_year": calendar.isleap(moment.year),
        "days_in_month": calendar.monthrange(moment.year, moment.month)[1],
        "start_of_day": f"{day}T00:00:00Z",
        "end_of_day": f"{day}T23:59:59.999999999Z",
    }
    result = {"input": params["input"], "info": info}
    return enveloped("info", result, message="Date information retrieved")


def _formats(params: dict[str, Any]) -> ToolResult:
    result = {
        "available_formats": list(FORMATS),
        "example_formats": {
            "ISO8601": ISO,
            "RFC3339": "%Y-%m-%d %H:%M:%S%:z",
            "RFC2822": "%a, %d %b %Y %H:%M:%S %z",
            "Unix timestamp": "timestamp",
            "Human readable": "%B %d, %Y at %I:%M %p",
            "Date only": "%Y-%m-%d",
            "Time only": "%H:%M:%S",
        },
    }
    return enveloped("formats", result, message="Available date formats")


_OPERATIONS: dict[str, Callable[[dict[str, Any]], ToolResult]] = {
    "parse": _parse,
    "now": _now,
    "convert_timezone": _convert_timezone,
    "add": _add,
    "subtract": _subtract,
    "difference": _difference,
    "info": _info,
    "formats": _formats,
}


def _fields(moment: datetime) -> dict[str, Any]:
    return {
        "year": moment.year,
        "month": moment.month,
        "day": moment.day,
        "hour": moment.hour,
        "minute": moment.minute,
        "second": moment.second,
        "weekday": WEEKDAYS[moment.weekday()],
    }


def _zone(parameter: str, name: str) -> ZoneInfo:
    limited(parameter, name, _MAX_NAME_BYTES)
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        near = difflib.get_close_matches(name, available_timezones(), n=1)
        hint = f"; did you mean {near[0]}?" if near else "."
        raise UsageError(
            f"parameter {parameter}: there is no time zone {shortened(name)!r}{hint} Names are "
            "those of IANA, e.g. Europe/Berlin or UTC"
        ) from None


def _towards_zero(whole: timedelta, part: timedelta) -> int:
    return whole // part if whole >= timedelta() else -(-whole // part)


def _in_words(seconds: int) -> str:
    """Return e.g. `2 days, 3 hours`; a negative one ends with `ago`."""
    left = abs(seconds)
    words: list[str] = []
    for name, size in (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1)):
        count, left = divmod(left, size)
        if count or (name == "second" and not words):
            words.append(f"{count} {name}" + ("" if count == 1 else "s"))
    return ", ".join(words) + (" ago" if seconds < 0 else "")


TOOL = Tool(
    name="date_time_handler",
    description="Parses, formats, converts and calculates with dates and times",
    parameters=_PARAMETERS,
    perform=_perform,
    decide=reads,
    category="utility",
    tags=("date", "time", "timezone"),
    aliases={"date_string": "input"},
)

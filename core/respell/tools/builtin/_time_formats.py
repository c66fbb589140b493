"""How times are written: reading the formats that are known, and writing any by its signs.

The signs are those of strftime as v0.6.0 knew them (`%.f`, `%:z`, `%-d` among them). They are
written here, not by the C library, so that a time reads the same on every machine: in English,
and no sign does what the platform likes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

from respell.errors import UsageError
from respell.tools.parameters import limited, shortened

ISO = "%Y-%m-%dT%H:%M:%S%.fZ"
ISO_WITH_OFFSET = "%Y-%m-%dT%H:%M:%S%.f%:z"
MAX_FORMAT_BYTES = 1000
MAX_INPUT_BYTES = 1000

FORMATS = (
    ISO,
    "%Y-%m-%dT%H:%M:%SZ",
    "%Y-%m-%dT%H:%M:%S%z",
    "%Y-%m-%dT%H:%M:%S%:z",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%d",
    "%a, %d %b %Y %H:%M:%S GMT",
    "%a, %d %b %Y %H:%M:%S %z",
    "%Y/%m/%d %H:%M:%S",
    "%Y/%m/%d",
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y",
    "%d-%m-%Y %H:%M:%S",
    "%d-%m-%Y",
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y",
    "%B %d, %Y %H:%M:%S",
    "%B %d, %Y",
    "%b %d, %Y %H:%M:%S",
    "%b %d, %Y",
)
"""What `parse` tries, in this order: 03/04/2026 is the third of April."""

# RFC 3339 in all its forms, RFC 2822 without a weekday or seconds, and ISO 8601 without a zone.
_MORE_FORMATS = (
    ISO_WITH_OFFSET,
    "%Y-%m-%d %H:%M:%S%.f%:z",
    "%Y-%m-%d %H:%M:%S%.fZ",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M",
    "%a, %d %b %Y %H:%M %z",
    "%d %b %Y %H:%M:%S %z",
    "%d %b %Y %H:%M %z",
)

NAMED_FORMATS = {
    "iso8601": ISO,
    "rfc3339": ISO_WITH_OFFSET,
    "rfc2822": "%a, %d %b %Y %H:%M:%S %z",
    "unix": "%s",
    "timestamp": "%s",
    "unix_ms": "%s%3f",
}
"""Names that stand for a format; large letters or small."""

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_ZONES = {
    "z": 0, "ut": 0, "gmt": 0, "utc": 0, "est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7,
    "mdt": -6, "pst": -8, "pdt": -7,
}  # fmt: skip


# Reading ------------------------------------------------------------------------------------

_SIGN = re.compile(r"%(\.f|:z|[a-zA-Z])|(.)", re.S)


def _names(names: tuple[str, ...], length: int | None) -> str:
    return "|".join(name[:length] for name in names)


_READ = {
    "Y": r"(?P<year>\d{4})",
    "m": r"(?P<month>\d{1,2})",
    "d": r"(?P<day>\d{1,2})",
    "y": r"(?P<year_in_century>\d{2})",
    "H": r"(?P<hour>\d{1,2})",
    "I": r"(?P<hour>\d{1,2})",
    "p": r"(?P<half>[AP]M)",
    "M": r"(?P<minute>\d{1,2})",
    "S": r"(?P<second>\d{1,2})",
    ".f": r"(?:\.(?P<fraction>\d{1,9}))?",
    "z": r"(?P<zone>[+-]\d\d:?\d\d|[A-Za-z]{1,3})",
    ":z": r"(?P<zone>[+-]\d\d:\d\d|Z)",
    "a": f"(?P<weekday>{_names(WEEKDAYS, 3)})",
    "A": f"(?P<weekday>{_names(WEEKDAYS, None)})",
    "b": f"(?P<name>{_names(_MONTHS, 3)})",
    "B": f"(?P<name>{_names(_MONTHS, None)})",
}


def read_time(name: str, text: str) -> datetime:
    """Return the time that a text means, in UTC.

    Args:
        name: The parameter it comes from, for the error.
        text: Seconds since 1970 as an integer, or a time in one of the known formats; one
            without an offset is in UTC.

    Raises:
        UsageError: It is none, or before the year 1 or after 9999.
    """
    limited(name, text, MAX_INPUT_BYTES)
    text = text.strip()
    if re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        return _from_epoch(name, int(text))
    for pattern in (*FORMATS, *_MORE_FORMATS):
        moment = read_as(text, pattern)
        if moment is not None:
            return moment
    raise UsageError(
        f"parameter {name}: {shortened(text)!r} is no time that is known here; write it as "
        "2026-11-22T10:00:00Z, or in another of the formats that operation formats lists"
    )


def read_as(text: str, pattern: str) -> datetime | None:
    """Return the time that a text means in one format, in UTC; None when it is not in it.

    Args:
        text: The text.
        pattern: A format for which `has_reader` is true.
    """
    found = _reader(pattern).fullmatch(text)
    if found is None:
        return None
    parts = {name: value for name, value in found.groupdict().items() if value is not None}
    try:
        moment = datetime(
            _year(parts), _month(parts), int(parts.get("day", 1)),
            _hour(parts), int(parts.get("minute", 0)), int(parts.get("second", 0)),
            int((parts.get("fraction", "") + "000000")[:6]), tzinfo=_zone(parts.get("zone", "")),
        )  # fmt: skip
        weekday = parts.get("weekday", WEEKDAYS[moment.weekday()])
        if WEEKDAYS[moment.weekday()][:3] != weekday[:3].capitalize():
            return None
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def has_reader(pattern: str) -> bool:
    """Return whether texts can be read in this format: its signs are known, each there once.

    Twice the same part could be read in many ways, and looking for one that fits takes long.
    """
    signs = _SIGN.findall(_spelt_out(pattern))
    names = [sign for sign, _ in signs if sign]
    if len(pattern) > MAX_FORMAT_BYTES or not all(sign in _READ for sign in names):
        return False
    parts = [part for sign in names for part in re.findall(r"P<(\w+)>", _READ[sign])]
    return len(set(parts)) == len(parts) and all(plain != "%" for _, plain in signs)


_WHOLE = {"F": "%Y-%m-%d", "T": "%H:%M:%S", "R": "%H:%M", "D": "%m/%d/%y", "h": "%b"}
"""Signs that stand for others."""


def _spelt_out(pattern: str) -> str:
    return re.sub(r"%([FTRDh])", lambda sign: _WHOLE[sign[1]], pattern)


@lru_cache(maxsize=256)
def _reader(pattern: str) -> re.Pattern[str]:
    parts = [
        _READ[sign] if sign else re.escape(plain)
        for sign, plain in _SIGN.findall(_spelt_out(pattern))
    ]
    return re.compile("".join(parts), re.I | re.A)


def _year(parts: dict[str, str]) -> int:
    if "year_in_century" in parts:
        year = int(parts["year_in_century"])
        return year + (2000 if year < 70 else 1900)
    return int(parts.get("year", 1970))


def _month(parts: dict[str, str]) -> int:
    if "name" in parts:
        return [name[:3] for name in _MONTHS].index(parts["name"][:3].capitalize()) + 1
    return int(parts.get("month", 1))


def _hour(parts: dict[str, str]) -> int:
    hour = int(parts.get("hour", 0))
    if "half" not in parts:
        return hour
    if not 1 <= hour <= 12:
        raise ValueError("no such hour")
    return hour % 12 + (12 if parts["half"].lower() == "pm" else 0)


def _zone(text: str) -> timezone:
    if not text:
        return UTC
    if text[0] in "+-":
        hours, minutes = int(text[1:3]), int(text[-2:])
        if minutes > 59:
            raise ValueError("no such offset")
        offset = timedelta(hours=hours, minutes=minutes)
        return timezone(-offset if text[0] == "-" else offset)
    if text.lower() not in _ZONES:
        raise ValueError("no such zone")
    return timezone(timedelta(hours=_ZONES[text.lower()]))


def _from_epoch(name: str, seconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise UsageError(
            f"parameter {name}: {seconds} seconds since 1970 are outside the years 1 to 9999"
        ) from None


# Writing ------------------------------------------------------------------------------------

_DIRECTIVE = re.compile(r"%([-_0]?)(\.[369]?f|[369]f|:{0,2}z|[a-zA-Z+%])|%|[^%]+")
_PADDED_WITH_SPACES = frozenset("ekl")


def write_time(moment: datetime, pattern: str) -> str:
    """Return a time in a format.

    Args:
        moment: With a zone.
        pattern: Signs of strftime among any text, or one of `NAMED_FORMATS`.

    Raises:
        UsageError: A sign is not known, or the format is too long.
    """
    limited("format", pattern, MAX_FORMAT_BYTES)
    pattern = NAMED_FORMATS.get(pattern.lower(), pattern)
    return "".join(_written(moment, part) for part in _DIRECTIVE.finditer(pattern))


def _written(moment: datetime, part: re.Match[str]) -> str:
    padding, sign = part[1], part[2]
    if sign is None:
        if part[0] == "%":
            raise _unknown(part.string[part.start() : part.start() + 3])
        return part[0]
    if sign == "%":
        return "%"
    number = _NUMBERS.get(sign)
    if number is not None:
        width, value = number
        fill = " " if sign in _PADDED_WITH_SPACES else "0"
        fill = {"_": " ", "0": "0"}.get(padding, fill)
        return str(value(moment)) if padding == "-" else str(value(moment)).rjust(width, fill)
    text = _TEXTS.get(sign)
    if text is None or padding:
        raise _unknown(part[0])
    return text(moment)


def _unknown(sign: str) -> UsageError:
    return UsageError(
        f"parameter format: there is no sign {sign!r}. Signs are those of strftime, e.g. "
        "%Y-%m-%d %H:%M:%S, and %% for a percent sign"
    )


Value = Callable[[datetime], int]
_NUMBERS: dict[str, tuple[int, Value]] = {
    "Y": (4, lambda t: t.year),
    "C": (2, lambda t: t.year // 100),
    "y": (2, lambda t: t.year % 100),
    "m": (2, lambda t: t.month),
    "d": (2, lambda t: t.day),
    "e": (2, lambda t: t.day),
    "H": (2, lambda t: t.hour),
    "k": (2, lambda t: t.hour),
    "I": (2, lambda t: t.hour % 12 or 12),
    "l": (2, lambda t: t.hour % 12 or 12),
    "M": (2, lambda t: t.minute),
    "S": (2, lambda t: t.second),
    "j": (3, lambda t: t.timetuple().tm_yday),
    "u": (1, lambda t: t.isoweekday()),
    "w": (1, lambda t: t.isoweekday() % 7),
    "G": (4, lambda t: t.isocalendar().year),
    "g": (2, lambda t: t.isocalendar().year % 100),
    "V": (2, lambda t: t.isocalendar().week),
    "U": (2, lambda t: _week(t, t.isoweekday() % 7)),
    "W": (2, lambda t: _week(t, t.weekday())),
    "s": (1, lambda t: epoch_seconds(t)),
}

_TEXTS: dict[str, Callable[[datetime], str]] = {
    "a": lambda t: WEEKDAYS[t.weekday()][:3],
    "A": lambda t: WEEKDAYS[t.weekday()],
    "b": lambda t: _MONTHS[t.month - 1][:3],
    "h": lambda t: _MONTHS[t.month - 1][:3],
    "B": lambda t: _MONTHS[t.month - 1],
    "p": lambda t: "AM" if t.hour < 12 else "PM",
    "P": lambda t: "am" if t.hour < 12 else "pm",
    "D": lambda t: write_time(t, "%m/%d/%y"),
    "x": lambda t: write_time(t, "%m/%d/%y"),
    "F": lambda t: write_time(t, "%Y-%m-%d"),
    "v": lambda t: write_time(t, "%e-%b-%Y"),
    "R": lambda t: write_time(t, "%H:%M"),
    "T": lambda t: write_time(t, "%H:%M:%S"),
    "X": lambda t: write_time(t, "%H:%M:%S"),
    "r": lambda t: write_time(t, "%I:%M:%S %p"),
    "c": lambda t: write_time(t, "%a %b %e %H:%M:%S %Y"),
    "+": lambda t: write_time(t, ISO_WITH_OFFSET),
    "t": lambda t: "\t",
    "n": lambda t: "\n",
    "f": lambda t: f"{t.microsecond:06}000",
    "3f": lambda t: f"{t.microsecond:06}"[:3],
    "6f": lambda t: f"{t.microsecond:06}",
    "9f": lambda t: f"{t.microsecond:06}000",
    ".f": lambda t: _fraction(t.microsecond),
    ".3f": lambda t: f".{t.microsecond:06}"[:4],
    ".6f": lambda t: f".{t.microsecond:06}",
    ".9f": lambda t: f".{t.microsecond:06}000",
    "Z": lambda t: t.tzname() or "",
    "z": lambda t: _offset(t, ""),
    ":z": lambda t: _offset(t, ":"),
    "::z": lambda t: f"{_offset(t, ':')}:00",
}


def epoch_seconds(moment: datetime) -> int:
    """Return the whole seconds since 1970 UTC."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)


def _week(moment: datetime, weekday: int) -> int:
    """Return the week of the year, where `weekday` is 0 for the day a week begins with."""
    return (moment.timetuple().tm_yday + 6 - weekday) // 7


def _fraction(microsecond: int) -> str:
    if not microsecond:
        return ""
    digits = f"{microsecond:06}"
    return f".{digits[:3]}" if digits.endswith("000") else f".{digits}"


def _offset(moment: datetime, between: str) -> str:
    minutes = (moment.utcoffset() or timedelta()) // timedelta(minutes=1)
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02}{between}{abs(minutes) % 60:02}"

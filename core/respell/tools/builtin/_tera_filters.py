"""Filters and tests of Tera that Jinja has not, or has with other arguments.

Arguments have Tera's names, and can be given by position as in Jinja.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from datetime import UTC, datetime
from urllib.parse import quote

from jinja2.runtime import Undefined
from markupsafe import Markup

from respell.tools.builtin._rendering import shown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_UNITS = ("B", "KB", "MB", "GB", "TB", "PB", "EB")


def _field(value: Any, attribute: str | None) -> Any:
    """Return what a dotted path leads to; None where it leads nowhere."""
    for part in attribute.split(".") if attribute else ():
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"the filter {name} needs text, not {_kind(value)}")
    return value


def _array(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"the filter {name} needs an array, not {_kind(value)}")
    return value


def _kind(value: Any) -> str:
    match value:
        case Undefined():
            return "a variable that is not in the context"
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case list():
            return "an array"
    return "an object"


# Text ---------------------------------------------------------------------------------------


def _replace(value: Any, old: str = "", new: str = "", **named: str) -> str:
    # `from` is no name that Python could take.
    return _text(value, "replace").replace(named.get("from", old), named.get("to", new))


def _truncate(value: Any, length: int = 255, end: str = "…") -> str:
    text = _text(value, "truncate")
    return text if len(text) <= length else text[:length] + end


def _split(value: Any, pat: str) -> list[str]:
    return _text(value, "split").split(pat)


def _slugify(value: Any) -> str:
    plain = unicodedata.normalize("NFKD", _text(value, "slugify")).encode("ascii", "ignore")
    return re.sub(r"[^a-z0-9]+", "-", plain.decode().lower()).strip("-")


def _trim_start_matches(value: Any, pat: str) -> str:
    text = _text(value, "trim_start_matches")
    while pat and text.startswith(pat):
        text = text[len(pat) :]
    return text


def _trim_end_matches(value: Any, pat: str) -> str:
    text = _text(value, "trim_end_matches")
    while pat and text.endswith(pat):
        text = text[: -len(pat)]
    return text


def _title(value: Any) -> str:
    return re.sub(r"\S+", lambda word: word[0][:1].upper() + word[0][1:].lower(), str(value))


def _addslashes(value: Any) -> str:
    return re.sub(r"([\\'\"])", r"\\\1", _text(value, "addslashes"))


def _pluralize(value: Any, singular: str = "", plural: str = "s") -> str:
    return singular if value == 1 else plural


# Numbers and times --------------------------------------------------------------------------


def _round(value: Any, method: str = "common", precision: int = 0) -> float:
    methods: dict[str, Callable[[float], float]] = {
        "common": lambda x: math.floor(abs(x) + 0.5) * math.copysign(1, x),
        "ceil": math.ceil,
        "floor": math.floor,
    }
    if method not in methods:
        raise ValueError(f"the filter round has no method {method}; it has {', '.join(methods)}")
    rounded = methods[method](value * 10**precision) / 10**precision
    return rounded if precision > 0 else int(rounded)


def _filesizeformat(value: Any) -> str:
    size = float(value)
    unit = 0
    while abs(size) >= 1000 and unit < len(_UNITS) - 1:
        size /= 1000
        unit += 1
    return f"{int(size)} B" if unit == 0 else f"{size:.2f} {_UNITS[unit]}"


def _date(value: Any, format: str = "%Y-%m-%d") -> str:
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC).strftime(format)
    return datetime.fromisoformat(_text(value, "date")).strftime(format)


# Arrays and objects -------------------------------------------------------------------------


def _length(value: Any) -> int:
    if not isinstance(value, str | list | dict):
        raise TypeError(f"the filter length needs text, an array or an object, not {_kind(value)}")
    return len(value)


def _first(value: Any) -> Any:
    return next(iter(_array(value, "first")), "")


def _last(value: Any) -> Any:
    return next(reversed(_array(value, "last")), "")


def _nth(value: Any, n: int) -> Any:
    array = _array(value, "nth")
    return array[n] if 0 <= n < len(array) else ""


def _join(value: Any, sep: str = "") -> str:
    return sep.join(map(shown, _array(value, "join")))


def _reverse(value: Any) -> Any:
    return value[::-1] if isinstance(value, str) else _array(value, "reverse")[::-1]


def _sort(value: Any, attribute: str | None = None) -> list[Any]:
    return sorted(_array(value, "sort"), key=lambda item: _field(item, attribute))


def _unique(value: Any, attribute: str | None = None, case_sensitive: bool = False) -> list[Any]:
    kept: dict[str, Any] = {}
    for item in _array(value, "unique"):
        key = json.dumps(_field(item, attribute), sort_keys=True)
        kept.setdefault(key if case_sensitive else key.lower(), item)
    return list(kept.values())


def _slice(value: Any, start: int = 0, end: int | None = None) -> list[Any]:
    return _array(value, "slice")[start:end]


def _group_by(value: Any, attribute: str) -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = {}
    for item in _array(value, "group_by"):
        key = _field(item, attribute)
        if key is not None:
            groups.setdefault(shown(key), []).append(item)
    return groups


def _filter(value: Any, /, attribute: str, value_: Any = None, **named: Any) -> list[Any]:
    wanted = named.get("value", value_)
    fields = ((item, _field(item, attribute)) for item in _array(value, "filter"))
    return [item for item, field in fields if (field == wanted if wanted is not None else field)]


def _map(value: Any, attribute: str) -> list[Any]:
    fields = (_field(item, attribute) for item in _array(value, "map"))
    return [field for field in fields if field is not None]


def _concat(value: Any, /, with_: Any = None, **named: Any) -> list[Any]:
    more = named.get("with", with_)
    return _array(value, "concat") + (more if isinstance(more, list) else [more])


def _get(value: Any, key: str, default: Any = None) -> Any:
    if not isinstance(value, dict):
        raise TypeError(f"the filter get needs an object, not {_kind(value)}")
    if key not in value and default is None:
        raise KeyError(f"the object has no {key}")
    return value.get(key, default)


# All kinds ----------------------------------------------------------------------------------


def _default(value: Any, /, value_: Any = "", **named: Any) -> Any:
    return named.get("value", value_) if isinstance(value, Undefined) else value


def _json_encode(value: Any, pretty: bool = False) -> str:
    if isinstance(value, Undefined):
        raise TypeError(f"the filter json_encode got {_kind(value)}")
    separators = None if pretty else (",", ":")
    return json.dumps(
        value, ensure_ascii=False, indent=2 if pretty else None, separators=separators
    )


def _int(value: Any, default: int = 0, base: int = 10) -> int:
    try:
        return int(value, base) if isinstance(value, str) else int(value)
    except (TypeError, ValueError, OverflowError):
        return default


def _float(value: Any, default: float = 0.0) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return default


FILTERS: dict[str, Callable[..., Any]] = {
    "addslashes": _addslashes,
    "as_str": lambda value: _join([value]),
    "concat": _concat,
    "date": _date,
    "default": _default,
    "escape_xml": lambda value: Markup.escape(_text(value, "escape_xml")),
    "filesizeformat": _filesizeformat,
    "filter": _filter,
    "first": _first,
    "float": _float,
    "get": _get,
    "group_by": _group_by,
    "int": _int,
    "join": _join,
    "json_encode": _json_encode,
    "last": _last,
    "length": _length,
    "linebreaksbr": lambda value: _text(value, "linebreaksbr").replace("\n", "<br>"),
    "map": _map,
    "nth": _nth,
    "pluralize": _pluralize,
    "replace": _replace,
    "reverse": _reverse,
    "round": _round,
    "slice": _slice,
    "slugify": _slugify,
    "sort": _sort,
    "spaceless": lambda value: re.sub(r">\s+<", "><", _text(value, "spaceless")),
    "split": _split,
    "title": _title,
    "trim_end": lambda value: _text(value, "trim_end").rstrip(),
    "trim_end_matches": _trim_end_matches,
    "trim_start": lambda value: _text(value, "trim_start").lstrip(),
    "trim_start_matches": _trim_start_matches,
    "truncate": _truncate,
    "unique": _unique,
    "urlencode": lambda value: quote(_text(value, "urlencode"), safe="/"),
    "urlencode_strict": lambda value: quote(_text(value, "urlencode_strict"), safe=""),
}

TESTS: dict[str, Callable[..., bool]] = {
    "containing": lambda value, part: not isinstance(value, Undefined) and part in value,
    "ending_with": lambda value, part: isinstance(value, str) and value.endswith(part),
    "matching": lambda value, pattern: re.search(pattern, value) is not None,
    "object": lambda value: isinstance(value, dict),
    "starting_with": lambda value, part: isinstance(value, str) and value.startswith(part),
}

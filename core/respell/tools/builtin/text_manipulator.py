"""text_manipulator: letters, words and lines of a text, rewritten."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from respell.errors import UsageError
from respell.schema import fitted, validate
from respell.tools.model import Tool, ToolContext, reads
from respell.tools.parameters import chosen, limited, shortened
from respell.tools.result import ToolResult, enveloped

MAX_INPUT_BYTES = 16 << 20
MAX_RESULT_BYTES = 64 << 20
MAX_PARTS = 1_000_000
MAX_ARRAY_BYTES = 4 << 20
_MAX_NUMBER = 2**53

_ELLIPSIS = "..."
_SPACES = re.compile(r"\s+")

_COUNT = {"type": "integer", "minimum": 0, "maximum": _MAX_NUMBER}
_TEXT = {"type": "string"}

# Options of each operation: their schema, and those that have to be there.
_OPTIONS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "replace": ({"from": _TEXT, "to": _TEXT}, ("from", "to")),
    "substring": ({"start": _COUNT, "end": _COUNT}, ("start", "end")),
    "split": ({"delimiter": _TEXT}, ()),
    "join": ({"delimiter": _TEXT}, ()),
    "truncate": ({"max_length": _COUNT}, ()),
    "indent": ({"spaces": _COUNT}, ()),
    "word_wrap": ({"width": {**_COUNT, "minimum": 1}}, ()),
}

_PARAMETERS = {
    "type": "object",
    "properties": {
        "input": {"type": "string", "description": "the text; for join, a JSON array of texts"},
        "operation": {
            "type": "string",
            "description": "uppercase, lowercase, reverse, trim, replace, substring, split, join, "
            "snake_case, camel_case, pascal_case, sanitize, truncate, indent, dedent, "
            "normalize_whitespace or word_wrap",
        },
        "options": {
            "type": "object",
            "description": "replace: from, to; substring: start, end; split, join: delimiter; "
            "truncate: max_length; indent: spaces; word_wrap: width",
        },
    },
    "required": ["input", "operation"],
    "additionalProperties": False,
}

Options = dict[str, Any]


def _perform(params: dict[str, Any], ctx: ToolContext) -> ToolResult:
    text = params["input"]
    limited("input", text, MAX_INPUT_BYTES)
    operation = chosen("operation", params["operation"], _OPERATIONS)
    options = _checked(operation, params.get("options", {}))
    result = _OPERATIONS[operation](text, options)
    _fits(_bytes(result))
    return enveloped(
        operation,
        {
            "result": result,
            "operation": operation,
            "original_length": _bytes(text),
            "result_length": _bytes(result),
        },
        message=f"Text {operation} operation completed",
    )


def _checked(operation: str, options: Options) -> Options:
    """Return the options that the operation knows; others mean nothing, as in v0.6.0."""
    known, required = _OPTIONS.get(operation, ({}, ()))
    schema = {"type": "object", "properties": known, "required": list(required)}
    named = {"options": {name: options[name] for name in known if name in options}}
    whole = {"type": "object", "properties": {"options": schema}}
    kept: dict[str, Options] = fitted(whole, named)
    validate(whole, kept, "parameter", trusted=True)
    return kept["options"]


def _bytes(text: str) -> int:
    return len(text.encode(errors="surrogatepass"))


def _fits(size: int) -> None:
    if size > MAX_RESULT_BYTES:
        raise UsageError(
            f"the result would have {size} bytes; at most {MAX_RESULT_BYTES} are allowed"
        )


def _few(what: str, number: int) -> None:
    if number > MAX_PARTS:
        raise UsageError(f"the text has {number} {what}; at most {MAX_PARTS} are allowed")


# Whole texts --------------------------------------------------------------------------------


def _replace(text: str, options: Options) -> str:
    old, new = options["from"], options["to"]
    _fits(_bytes(text) + text.count(old) * (_bytes(new) - _bytes(old)))
    return text.replace(old, new)


def _substring(text: str, options: Options) -> str:
    """Offsets count bytes; half a character at an end is left out."""
    data, start, end = text.encode(), options["start"], options["end"]
    if end > len(data):
        return ""
    return data[start:end].decode(errors="ignore")


def _split(text: str, options: Options) -> str:
    delimiter = options.get("delimiter", " ")
    _few("parts", text.count(delimiter) + 1)
    # An empty delimiter is between all characters, and at both ends.
    parts = text.split(delimiter) if delimiter else ["", *text, ""]
    return json.dumps(parts, ensure_ascii=False, separators=(",", ":"))


def _join(text: str, options: Options) -> str:
    limited("input", text, MAX_ARRAY_BYTES)
    try:
        parts = json.loads(text)
    except (ValueError, RecursionError):
        parts = None
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise UsageError(
            f"parameter input is {shortened(text)!r}; join needs a JSON array of texts, "
            'as in ["a", "b"]'
        )
    delimiter = options.get("delimiter", " ")
    _fits(sum(map(_bytes, parts)) + _bytes(delimiter) * max(len(parts) - 1, 0))
    return str(delimiter.join(parts))


def _sanitize(text: str, options: Options) -> str:
    return "".join(sign for sign in text.strip(" ") if sign in "\n\t" or " " <= sign <= "~")


def _truncate(text: str, options: Options) -> str:
    most = options.get("max_length", 100)
    data = text.encode()
    if len(data) <= most:
        return text
    if most <= len(_ELLIPSIS):
        return _ELLIPSIS[:most]
    return data[: most - len(_ELLIPSIS)].decode(errors="ignore") + _ELLIPSIS


# Names --------------------------------------------------------------------------------------


def _snake_case(text: str, options: Options) -> str:
    def signs() -> Iterator[str]:
        before = ""
        for sign in text:
            if sign.isupper() and before.isalnum() and not before.isupper():
                yield "_"
            yield sign.lower()
            before = sign

    return "".join(signs())


def _camel_case(text: str, options: Options) -> str:
    first, *rest = text.replace("-", "_").split("_")
    return _first(first, str.lower) + "".join(_first(word, str.upper) for word in rest)


def _pascal_case(text: str, options: Options) -> str:
    return "".join(_first(word, str.upper) for word in text.replace("-", "_").split("_"))


def _first(word: str, change: Callable[[str], str]) -> str:
    return change(word[:1]) + word[1:]


# Lines --------------------------------------------------------------------------------------


def _lines(text: str) -> list[str]:
    """Return the lines without their ends; a last line feed begins no line."""
    _few("lines", text.count("\n") + 1)
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def _together(lines: list[str], like: str) -> str:
    return "\n".join(lines) + ("\n" if lines and like.endswith("\n") else "")


def _indent(text: str, options: Options) -> str:
    spaces, lines = options.get("spaces", 4), _lines(text)
    _fits(_bytes(text) + spaces * len(lines))
    return _together([" " * spaces + line for line in lines], text)


def _dedent(text: str, options: Options) -> str:
    lines = _lines(text)
    depths = [len(line) - len(line.lstrip()) for line in lines if line.strip()]
    depth = min(depths, default=0)
    return _together([line[depth:] if len(line) >= depth else line for line in lines], text)


def _word_wrap(text: str, options: Options) -> str:
    width = options.get("width", 80)
    _few("lines", len(text) // width)
    wrapped: list[str] = []
    for line in _lines(text):
        wrapped += [line] if _bytes(line) <= width else _wrapped(line.split(), width)
        _few("lines", len(wrapped))
    return "\n".join(wrapped)


def _wrapped(words: list[str], width: int) -> Iterator[str]:
    line: list[str] = []
    length = -1  # of the line in bytes; a word brings the space before it
    for word in words:
        size = _bytes(word)
        if line and length + 1 + size > width:
            yield " ".join(line)
            line, length = [], -1
        if size > width:
            *pieces, word = (word[at : at + width] for at in range(0, len(word), width))
            yield from pieces
            size = _bytes(word)
        line.append(word)
        length += 1 + size
    if line:
        yield " ".join(line)


_OPERATIONS: dict[str, Callable[[str, Options], str]] = {
    "uppercase": lambda text, options: text.upper(),
    "lowercase": lambda text, options: text.lower(),
    "reverse": lambda text, options: text[::-1],
    "trim": lambda text, options: text.strip(),
    "replace": _replace,
    "substring": _substring,
    "split": _split,
    "join": _join,
    "snake_case": _snake_case,
    "camel_case": _camel_case,
    "pascal_case": _pascal_case,
    "sanitize": _sanitize,
    "truncate": _truncate,
    "indent": _indent,
    "dedent": _dedent,
    "normalize_whitespace": lambda text, options: _SPACES.sub(" ", text.strip()),
    "word_wrap": _word_wrap,
}

TOOL = Tool(
    name="text_manipulator",
    description="Changes letters, words and lines of a text",
    parameters=_PARAMETERS,
    perform=_perform,
    decide=reads,
    category="utility",
    tags=("text", "string"),
    aliases={"text": "input"},
)

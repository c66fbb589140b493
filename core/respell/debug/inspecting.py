"""What is seen of a script that stands still: frames, variables, values."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from respell.debug.worker import as_text

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ESCAPES = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r", 34: '\\"',
            92: "\\\\"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Value:
    """A value of the script.

    Attributes:
        type: nil, boolean, integer, float, string, table, function or thread.
        text: The value for people; strings are quoted as in Lua, and cut after 1 KiB.
        ref: Number to ask `Debugger.children` for what is inside by, until the next move; 0 for
            none.
        size: Bytes of a string, entries of a table, upvalues of a function; 0 for others.
        has_metatable: Whether it is a table with a metatable.
        length: Items of a table's list, from 1 on; 0 for others.
        bytes_ref: Number to ask `Debugger.bytes` for a string's bytes by, until the next move; 0
            for none.
        copy: Number of the copy in which it was made by evaluating; 0 where the script has it.
    """

    type: str
    text: str
    ref: int = 0
    size: int = 0
    has_metatable: bool = False
    length: int = 0
    bytes_ref: int = 0
    copy: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return it as `respell debug --json` shows it."""
        shown: dict[str, Any] = {"type": self.type, "text": self.text}
        if self.size:
            shown["size"] = self.size
        return shown


@dataclass(frozen=True, slots=True)
class Variable:
    """A name, or a key of a table, and its value."""

    name: str
    value: Value

    def to_json(self) -> dict[str, Any]:
        """Return it as `respell debug --json` shows it."""
        return {"name": self.name, "value": self.value.to_json()}


@dataclass(frozen=True, slots=True)
class Variables:
    """What a function sees: its locals (later ones hide earlier ones), varargs and upvalues."""

    locals: list[Variable]
    varargs: list[Variable]
    upvalues: list[Variable]

    def to_json(self) -> dict[str, Any]:
        """Return it as `respell debug --json` shows it."""
        return {
            name: [one.to_json() for one in getattr(self, name)]
            for name in ("locals", "varargs", "upvalues")
        }


@dataclass(frozen=True, slots=True)
class Frame:
    """A function of the script that runs.

    Attributes:
        index: 0 for the innermost.
        name: What it was called by; `main chunk`, or where it is defined.
        source: Chunk name.
        line: The line it is at, 1-based.
        tail: It was called in the place of its caller, whose frame is gone.
        coroutine: Number of the coroutine; 0 for the main thread.
        level: For the worker.
        depth: How many functions run outside of it, itself included, ours among them.
        defined: Line that its function begins at.
        params: How many of its locals are parameters: the first ones.
        varargs: Whether it takes more arguments than these.
    """

    index: int
    name: str
    source: str
    line: int
    tail: bool
    coroutine: int
    level: int
    depth: int
    defined: int
    params: int = 0
    varargs: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return it as `respell debug --json` shows it."""
        return {
            "index": self.index, "name": self.name, "source": self.source, "line": self.line,
            "tail": self.tail, "coroutine": self.coroutine,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Coroutine:
    """A coroutine that lives, or died of an error.

    Attributes:
        number: 0 for the main thread.
        status: running, suspended, normal or dead.
    """

    number: int
    status: str


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What an expression or a statement came to.

    Attributes:
        values: Its values; none of a statement.
        error: Why there are none; None where there is no error.
        output: What it printed.
    """

    values: list[Value] = field(default_factory=list)
    error: str | None = None
    output: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return it as `respell debug --json` shows it."""
        return {
            "values": [one.to_json() for one in self.values],
            "error": self.error,
            "output": self.output,
        }


def quoted(text: str | bytes) -> str:
    """Return a string as Lua source, which also makes it fit to be shown."""
    data = text.encode(errors="surrogateescape") if isinstance(text, str) else text
    return '"' + "".join(map(_as_source, data.decode(errors="surrogateescape"))) + '"'


def _as_source(letter: str) -> str:
    code = ord(letter)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return _ESCAPES.get(code) or (letter if letter.isprintable() else f"\\u{{{code:x}}}")


def value_of(data: dict[str, Any]) -> Value:
    """Return a value as a worker describes it."""
    kind, text = as_text(data["type"]), data["text"]
    size = data.get("size", 0)
    if kind == "string":
        shown = quoted(text)
        length = len(text.encode() if isinstance(text, str) else text)
        return Value(
            kind, shown if length >= size else f"{shown}… ({size} bytes)", size=size,
            bytes_ref=data.get("bytes", 0),
        )  # fmt: skip
    shown = as_text(text)
    if kind == "table" and "preview" in data:
        shown = _table(shown, data["preview"] or [], size)
    return Value(
        kind, shown, data.get("ref", 0), size, bool(data.get("meta")), data.get("length", 0)
    )


def _table(name: str, preview: list[dict[str, Any]], size: int) -> str:
    parts = []
    for one in preview:
        value = value_of(one["value"]).text
        parts.append(f"{key_text(one['key'])} = {value}" if "key" in one else value)
    if len(preview) < size:
        parts.append("…")
    return f"{name} {{{', '.join(parts)}}}"


def key_text(data: dict[str, Any]) -> str:
    """Return a table's key as a constructor would have it."""
    text = data["text"]
    if (
        data["type"] == "string"
        and isinstance(text, str)
        and text.isidentifier()
        and text.isascii()
    ):
        return text
    return f"[{value_of(data).text}]"


def variables_of(data: Any) -> list[Variable]:
    """Return variables, or a table's entries, as a worker lists them."""
    return [
        Variable(
            key_text(one["key"]) if "key" in one else name_text(one["name"]), value_of(one["value"])
        )
        for one in data or []
    ]


def name_text(name: Any) -> str:
    """Return a variable's name; of a global it may be any value."""
    return key_text(name) if isinstance(name, dict) else as_text(name)


def frames_of(data: dict[str, Any], first: int) -> list[Frame]:
    """Return the frames that a worker lists."""
    return [
        Frame(
            first + i, as_text(one["name"]), as_text(one["source"]), one["line"], one["tail"],
            data["coroutine"], one["level"], one["depth"], one["defined"],
            one["params"], one["varargs"],
        )
        for i, one in enumerate(data["frames"] or [])
    ]  # fmt: skip

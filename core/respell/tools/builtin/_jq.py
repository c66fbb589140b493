"""jq programs over JSON text; runs in a process of its own, see `respell.tools.confinement`."""

from __future__ import annotations

import json
import re

import jq

from respell.errors import EffectFailed, UsageError
from respell.tools.builtin._json_text import NotJson, loaded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

MAX_OUTPUTS = 1_000_000
MAX_OUTPUT_CHARACTERS = 64 << 20

# What reaches outside of the one input, or is not an error where it means one.
_PREFIX = (
    'def input: error("there is no input besides the one given"); '
    "def halt_error: error; def halt_error($status): error; "
)
# As JSON, numbers are exact; but it is slow to write, and text needs none of it.
_SUFFIX = 'if type == "string" then [.] else tojson end'
_FROM_OUTSIDE = re.compile(r"(?:\s|#[^\n]*(?:\n|$))*(?:module\b[^;]*;\s*)?(import|include)\b")


def warm_up() -> None:
    """Run once, so that nothing is left to be imported."""
    query({"program": '.a | test("b")', "input": '{"a": "b"}'})


def query(payload: dict[str, str]) -> list[Any]:
    """Return all outputs of a program.

    Args:
        payload: `program`; and `input`: JSON, or a text.

    Raises:
        UsageError: It is no program, or it gives too much.
        EffectFailed: It failed.
    """
    text = payload["input"]
    try:
        loaded(text)
    except NotJson:
        text = json.dumps(text)
    return list(_limited(_outputs(_compiled(payload["program"]), text)))


def stream(payload: dict[str, str]) -> list[Any]:
    """Return the outputs of a program for each line of JSON, one after the other.

    Args:
        payload: `program`; and `input`: lines of JSON, of which blank ones are skipped.

    Raises:
        UsageError: It is no program, it gives too much, or a line is not JSON.
        EffectFailed: It failed.
    """
    program = _compiled(payload["program"])

    def outputs() -> Iterator[str | list[str]]:
        for number, line in enumerate(payload["input"].split("\n"), 1):
            if line.strip():
                yield from _outputs(program, _checked(line, number))

    return list(_limited(outputs()))


def _checked(line: str, number: int) -> str:
    try:
        loaded(line)
    except NotJson as error:
        raise UsageError(
            f"parameter input is not JSON in line {number}: {line.strip()[:100]!r}; {error}"
        ) from None
    return line


def _compiled(program: str) -> Any:
    if found := _FROM_OUTSIDE.match(program):
        raise UsageError(f"{found[1]} is not allowed in a query: it would read a file")
    try:
        jq.compile(program)  # alone, so that its errors are about what the script wrote
        return jq.compile(f"{_PREFIX}({program}\n) | {_SUFFIX}")
    except ValueError as error:
        raise UsageError(f"Invalid jq syntax: {_sentence(str(error))}") from None


def _sentence(text: str) -> str:
    """Return the first of jq's errors, without the drawing below it."""
    first = text.removeprefix("jq: error: ").split("\n")[0]
    return first.replace("at <top-level>, ", "at ").rstrip(":")[:1000]


def _outputs(program: Any, text: str) -> Iterator[str | list[str]]:
    """Return outputs as JSON, or in a list if they are text."""
    try:
        yield from program.input_text(text)
    except ValueError as error:
        raise EffectFailed(f"jq execution error: {str(error)[:1000]}") from None


def _limited(outputs: Iterator[str | list[str]]) -> Iterator[Any]:
    characters = 0
    for number, output in enumerate(outputs, 1):
        characters += len(output if isinstance(output, str) else output[0])
        if number > MAX_OUTPUTS or characters > MAX_OUTPUT_CHARACTERS:
            raise UsageError(
                f"the query gives more than {MAX_OUTPUTS} values or "
                f"{MAX_OUTPUT_CHARACTERS >> 20} MiB of them"
            )
        yield loaded(output) if isinstance(output, str) else output[0]

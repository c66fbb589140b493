"""The dialog that runs a script."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from respell import values
from respell.errors import RespellError, UsageError
from respell.policies.limits import check_limits
from respell.rules import parse_flag
from respell_tui.paint import Line
from respell_tui.screens.form import Form
from respell_tui.shown.fields import Field

_MOST_FOUND = 200


def new_run(recent: Sequence[str]) -> Form:
    """Return the dialog; its result is the words behind `respell run`.

    Args:
        recent: The scripts of sessions, the newest first; may have doubles and empty ones.
    """
    scripts = tuple(dict.fromkeys([*(one for one in recent if Path(one).is_file()), *_found()]))
    fields = [
        Field("script", "script", value=scripts[0] if scripts else "", required=True,
              hint="a Lua file", suggestions=scripts),
        Field("args", "arguments", hint="words, as in a shell"),
        Field("input", "input", hint="JSON: the global input of the script"),
        Field("name", "name", hint="the script's"),
        Field("tags", "tags", hint="words"),
        Field("limits", "limits", hint="operations=500 cost_usd=1 max_duration=60"),
        Field("allow", "allow", hint="network read=/etc/hosts write=out process=git"),
        Field("deny", "deny", hint="network"),
    ]  # fmt: skip
    text: list[Line] = [
        [("It runs in a process of its own, which goes on when this closes.", "dim")]
    ]
    if scripts[1:]:
        more = "  ".join(scripts[:4])
        text.append([("recent and here: ", "dim"), (more, "")])
    return Form("Run a script", fields, words_of, text=text, done="Run")


def _found() -> Iterator[str]:
    """Yield Lua files in the working directory and in a folder below it."""
    here = Path.cwd()
    for pattern in ("*.lua", "*/*.lua"):
        for number, path in enumerate(sorted(here.glob(pattern))):
            if number < _MOST_FOUND and not path.name.startswith("."):
                yield str(path.relative_to(here))


def words_of(given: Mapping[str, Any]) -> list[str]:
    """Return the words behind `respell run` for what was filled in.

    Raises:
        UsageError: The script is not there, or something makes no sense; says what.
    """
    script = given["script"].strip()
    if not Path(script).expanduser().is_file():
        raise UsageError(f"script: there is no file {script!r}" if script else "name a script")
    words = [str(Path(script).expanduser())]
    if given["input"].strip():
        values.parse_json(given["input"], what="input")
        words += ["--input", given["input"]]
    if given["name"].strip():
        words += ["--name", given["name"].strip()]
    for tag in given["tags"].split():
        words += ["--tag", tag]
    limits = _split("limits", given["limits"])
    try:
        check_limits(dict(_pair(one) for one in limits), lift=True)
    except RespellError as error:
        raise UsageError(f"limits: {error}") from None
    for one in limits:
        words += ["--limit", one]
    for option in ("allow", "deny"):
        for rule in _split(option, given[option]):
            parse_flag(f"--{option}", rule, str(Path.cwd()))
            words += [f"--{option}", rule]
    return [*words, "--", *_split("arguments", given["args"])]


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"write {text!r} as NAME=NUMBER")
    return name, value


def _split(what: str, text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"{what}: {error}") from None

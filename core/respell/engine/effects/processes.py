"""Processes: what `os.execute` and `io.popen` cause, where they are allowed at all."""

from __future__ import annotations

import os
import re
import shlex
from typing import Any

from respell import processes
from respell.arguments import Arguments
from respell.effect import Kind
from respell.engine.effects import EffectContext, effect
from respell.engine.effects.confined import bytes_argument, permissions_of
from respell.errors import EffectFailed, PermissionDenied, UsageError
from respell.security import Permissions

LIMIT_S = 300.0
MAX_OUTPUT = 16 << 20

_NOT_FOUND = 127
# What a shell gives a meaning to; without any of it a command is just words.
_SHELL_SYNTAX = re.compile(r"[|&;<>()$`\\*?\[\]#~{}\n]")


@effect("process.execute", kind=Kind.EXTERNAL)
def process_execute(ctx: EffectContext, args: dict[str, Any]) -> Any:
    """Run a command: `{command}` -> `{how, code, output, errors}`.

    `how` is "exit" or "signal" and `code` its number, as `os.execute` gives them; `output`
    and `errors` are what it wrote. Without a command: whether there is a shell to run one.
    """
    if args.get("command") is None:
        return _has_shell(permissions_of(ctx))
    return _run(ctx, _command("os.execute", args), b"")


@effect("process.open", kind=Kind.EXTERNAL)
def process_open(ctx: EffectContext, args: dict[str, Any]) -> dict[str, Any]:
    """Run a command with a pipe: `{command, mode, input}`.

    With mode "r" the outcome has `hash` and `size` of what it wrote in place of `output`;
    with "w" the script has written `input` before, and the outcome is that of
    `process.execute`.
    """
    given = Arguments("io.popen", args)
    mode = given.given("mode") or "r"
    if mode not in ("r", "w"):
        raise UsageError(f"io.popen: invalid mode {mode!r}; modes are r and w")
    feed = bytes_argument(given, "input") if mode == "w" and given.given("input") else b""
    outcome = _run(ctx, _command("io.popen", args), feed)
    if mode == "r":
        output = outcome.pop("output")
        outcome["hash"], outcome["size"] = ctx.store.blobs.put(output), len(output)
        ctx.store.blobs.keep(outcome["hash"], ctx.session.key)
    return outcome


def _command(call: str, args: dict[str, Any]) -> str:
    command = os.fsdecode(bytes_argument(Arguments(call, args), "command"))
    if "\0" in command:
        raise UsageError(f"{call}: a command can't have a NUL byte")
    return command


def _has_shell(permissions: Permissions) -> bool:
    try:
        permissions.silent().check_shell("")
    except PermissionDenied:
        return False
    return os.access("/bin/sh", os.X_OK)


def _words(permissions: Permissions, command: str) -> list[str]:
    """Return what to run: a shell where one is allowed, else the one program it names.

    Raises:
        PermissionDenied: Neither is allowed.
    """
    try:
        permissions.silent().check_shell(command)
    except PermissionDenied:
        if _SHELL_SYNTAX.search(command) or not command.strip():
            permissions.check_shell(command)
            return ["/bin/sh", "-c", command]
    else:
        return ["/bin/sh", "-c", command]
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"the command {command!r} can't be taken apart: {error}") from None
    return [permissions.check_process(words[0]), *words[1:]]


def _run(ctx: EffectContext, command: str, feed: bytes) -> dict[str, Any]:
    permissions = permissions_of(ctx)
    words = _words(permissions, command)
    try:
        finished = processes.run(
            words,
            cwd=permissions.cwd,
            env=permissions.environment(),
            limits=processes.Limits(LIMIT_S, MAX_OUTPUT, ends_at_overflow=True),
            cancel=ctx.cancel,
            feed=feed,
        )
    except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
        text = f"{words[0]}: {error.strerror}\n"
        return {"how": "exit", "code": _NOT_FOUND, "output": b"", "errors": text}
    if finished.timed_out:
        raise EffectFailed(f"{command!r:.200} ran longer than {LIMIT_S:.0f} s and was killed")
    if finished.output_cut or finished.errors_cut:
        raise EffectFailed(
            f"{command!r:.200} wrote more than {MAX_OUTPUT} bytes and was killed; "
            "have it write to a file"
        )
    return {
        "how": "exit" if finished.status >= 0 else "signal",
        "code": abs(finished.status),
        "output": finished.output,
        "errors": finished.errors,
    }

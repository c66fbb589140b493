"""Processes: what `os.execute` and `io.popen` cause, where they are allowed at all."""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import shlex
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from respell.engine.effects import EffectContext, Kind, effect
from respell.engine.effects.arguments import Arguments
from respell.engine.effects.confined import bytes_argument, permissions_of
from respell.errors import EffectFailed, PermissionDenied, UsageError
from respell.security import Permissions

LIMIT_S = 300.0
MAX_OUTPUT = 16 << 20

_LOOK_EVERY_S = 0.1
_NOT_FOUND = 127
# What a shell gives a meaning to; without any of it a command is just words.
_SHELL_SYNTAX = re.compile(r"[|&;<>()$`\\*?\[\]#~{}\n]")


@dataclass(slots=True)
class _Run:
    """A process and what it has said so far."""

    command: str
    process: subprocess.Popen[bytes]
    feed: memoryview
    deadline: float
    said: dict[str, bytearray] = field(
        default_factory=lambda: {"output": bytearray(), "errors": bytearray()}
    )


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
        permissions.check_shell("")
    except PermissionDenied:
        return False
    return os.access("/bin/sh", os.X_OK)


def _words(permissions: Permissions, command: str) -> list[str]:
    """Return what to run: a shell where one is allowed, else the one program it names.

    Raises:
        PermissionDenied: Neither is allowed.
    """
    try:
        permissions.check_shell(command)
    except PermissionDenied:
        if _SHELL_SYNTAX.search(command) or not command.strip():
            raise
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
        process = subprocess.Popen(
            words,
            cwd=permissions.cwd,
            env=permissions.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # so that all it starts can be killed with it
        )
    except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
        text = f"{words[0]}: {error.strerror}\n"
        return {"how": "exit", "code": _NOT_FOUND, "output": b"", "errors": text}
    run = _Run(command, process, memoryview(feed), time.monotonic() + LIMIT_S)
    with process:
        try:
            _converse(run, ctx.cancel)
        finally:
            # Also what it left in the background, which would hold on to the pipes.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
    status = process.returncode
    return {
        "how": "exit" if status >= 0 else "signal",
        "code": abs(status),
        "output": bytes(run.said["output"]),
        "errors": bytes(run.said["errors"]),
    }


def _converse(run: _Run, cancel: threading.Event) -> None:
    """Feed the process and listen until it ends; kill it if it takes or says too much."""
    process = run.process
    with selectors.DefaultSelector() as pipes:
        for name in ("stdout", "stderr", "stdin"):
            pipe = getattr(process, name)
            os.set_blocking(pipe.fileno(), False)
            event = selectors.EVENT_WRITE if name == "stdin" else selectors.EVENT_READ
            said = {"stdout": "output", "stderr": "errors", "stdin": ""}[name]
            pipes.register(pipe, event, said)
        while True:
            ended = process.poll() is not None
            ready = pipes.select(0 if ended else _LOOK_EVERY_S) if pipes.get_map() else []
            for key, _ in ready:
                if not _move(run, key):
                    pipes.unregister(key.fileobj)
            if ended and not any(key.data for key, _ in ready):
                return
            if not pipes.get_map() and not ended:
                _wait(run)
            _check(run, cancel)


def _move(run: _Run, key: selectors.SelectorKey) -> bool:
    """Move bytes through one pipe; False when nothing more can come or go through it."""
    if key.data:
        data = os.read(key.fd, 1 << 16)
        run.said[key.data] += data
        return bool(data)
    try:
        run.feed = run.feed[os.write(key.fd, run.feed[: 1 << 16]) :] if run.feed else run.feed
    except BrokenPipeError:
        run.feed = run.feed[:0]
    if run.feed:
        return True
    assert run.process.stdin is not None
    run.process.stdin.close()
    return False


def _wait(run: _Run) -> None:
    """Wait a moment for a process that has closed its pipes."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        run.process.wait(_LOOK_EVERY_S)


def _check(run: _Run, cancel: threading.Event) -> None:
    if cancel.is_set():
        raise EffectFailed("the call was cancelled")
    if time.monotonic() > run.deadline:
        raise EffectFailed(f"{run.command!r:.200} ran longer than {LIMIT_S:.0f} s and was killed")
    if sum(map(len, run.said.values())) > MAX_OUTPUT:
        raise EffectFailed(
            f"{run.command!r:.200} wrote more than {MAX_OUTPUT} bytes and was killed; "
            "have it write to a file"
        )

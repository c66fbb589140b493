"""Launching a session for a debugger: in a process of its own, which outlives the debugger's.

The debugger never hosts. The process is told what to run through its standard input, says which
session that is, or why there is none, and cuts all ties; from then on it is a host like
any other.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from respell import errors, values
from respell.errors import RespellError, UsageError, WorkerFailed
from respell.store import Store
from respell.store.leases import Hold

_MODULE = "respell.debug.launching"


def launch(
    script: str | os.PathLike[str],
    *,
    store: Store,
    name: str = "",
    tags: Sequence[str] = (),
    args: Sequence[str] = (),
    input: Any = None,
    limits: Mapping[str, Any] | None = None,
    allow: Sequence[str] = (),
    deny: Sequence[str] = (),
    cwd: str | os.PathLike[str] | None = None,
    env: Mapping[str, str] | None = None,
) -> str:
    """Start a process that runs a script, held by this process before the script's first line.

    Args:
        script: The Lua file; a relative path starts from `cwd`.
        store: Where the session is created.
        name: Its name; empty for the script's.
        tags: Its tags.
        args: The script's arguments.
        input: The global `input` in the script.
        limits: See `respell.policies.limits.LIMITS`.
        allow: Permissions to add.
        deny: Permissions to take away.
        cwd: Its working directory; None for this process's.
        env: Environment variables besides this process's.

    Returns:
        The session's id.

    Raises:
        RespellError: What `respell run` would have refused.
        WorkerFailed: The process could not be started.
    """
    order = values.encode(
        {
            "store": os.fsencode(store.path), "script": os.fsencode(script), "name": name,
            "tags": list(tags), "args": [os.fsencode(one) for one in args], "input": input,
            "limits": dict(limits or {}), "allow": list(allow), "deny": list(deny),
            "pid": Hold.current().pid, "start_time": Hold.current().start_time,
        }
    )  # fmt: skip
    try:
        # -P: a module of the script's folder must not stand in for one of ours.
        process = subprocess.Popen(
            [sys.executable, "-P", "-X", "utf8", "-m", _MODULE],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            cwd=cwd, env={**os.environ, **(env or {})}, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise UsageError(f"can't run anything in {cwd}: {error.strerror}") from None
    said, _ = process.communicate(order)
    answer = json.loads(said) if said else {}
    if "session" in answer:
        return str(answer["session"])
    message = answer.get("error") or f"the process to run it ended (status {process.returncode})"
    raise _error_named(answer.get("kind", ""), message)


def _error_named(name: str, message: str) -> RespellError:
    """Return an error of the kind that the other process has raised."""
    kind = getattr(errors, name, None)
    if name == "LimitReached":
        return errors.LimitReached(message, limit="max_active_sessions")
    if isinstance(kind, type) and issubclass(kind, UsageError | errors.StoreError):
        return kind(message)
    return WorkerFailed(message)


# In the new process ------------------------------------------------------------------------


def main() -> None:
    """Do what standard input says, in a process that nobody waits for."""
    order = values.decode(sys.stdin.buffer.read())
    if os.fork():
        os._exit(0)
    saying = os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    _run(order, saying)


def _run(order: dict[str, Any], saying: int) -> NoReturn:
    """Run the session to its end; never returns to what this process was forked from."""
    from respell import config
    from respell.engine import run as engine
    from respell.engine.program import Program
    from respell.sessions.retention import apply_in_passing

    code = 1
    folder, script = os.fsdecode(order["store"]), os.fsdecode(order["script"])
    try:
        settings = config.load(store=folder)
        program = Program.from_file(
            script, args=tuple(os.fsdecode(one) for one in order["args"] or ()),
            input=order.get("input"), allow=tuple(order["allow"] or ()),
            deny=tuple(order["deny"] or ()),
        )  # fmt: skip
        with Store(folder, create=False, **settings.store_options()) as store:
            started = engine.start(
                store, program, script=script, name=order["name"],
                tags=list(order["tags"] or ()), limits=order["limits"] or {}, config=settings,
                by="debugger", debugger=Hold(order["pid"], order["start_time"]),
            )  # fmt: skip
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, lambda *_: started.suspend())
            _say(saying, {"session": started.session.id})
            saying = -1
            code = started.go().exit_code
            apply_in_passing(store, settings)
    except RespellError as error:
        code = error.exit_code
        _say(saying, {"kind": type(error).__name__, "error": str(error)})
    except Exception as error:  # noqa: BLE001 - told to the debugger that waits for a word
        _say(saying, {"error": f"{type(error).__name__}: {error}"})
    finally:
        os._exit(code)


def _say(saying: int, answer: dict[str, str]) -> None:
    if saying >= 0:
        os.write(saying, json.dumps(answer).encode())
        os.close(saying)


if __name__ == "__main__":
    main()

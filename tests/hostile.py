"""Runs hostile scripts as real sessions, beside a quiet one that must not notice."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from respell.engine import run as running
from respell.engine.executable import check_resumable
from respell.engine.program import Program
from respell.engine.replay import replay
from respell.engine.run import Run, RunResult
from respell.history.events import Event, events
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.tools import ToolRegistry

HARD_LIMIT_S = 60.0
"""No attack may take longer, however busy the machine is; most take a hundredth of it."""

LOOP_S = 0.6
"""Time limit of what never ends by itself, the start of the worker included."""

MEMORY_BYTES = 64 * 1024 * 1024

_QUIET = """
State.set("kept", 1)
Artifact.store(nil, "kept.txt", "quiet")
print("quiet", ("x"):rep(3), tostring(Session.suspend{prompt = "still there?"}))
"""


class Hung(BaseException):
    """An attack held its host up. No `except Exception` on the way may swallow it."""


@contextmanager
def hard_limit(seconds: float = HARD_LIMIT_S) -> Iterator[None]:
    """Raise `Hung` in what the block does after so many seconds."""

    def ring(_signal: int, _frame: FrameType | None) -> None:
        raise Hung(f"it took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def is_alive(pid: int) -> bool:
    """Whether there is a process of that id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


class Attacker:
    """Runs scripts in a store that also holds a quiet session, and checks what is left.

    Attributes:
        folder: Working directory and folder of the scripts.
        store: The store.
        tools: What scripts can call.
        output: The text of every output event so far.
        on_output: Called with each of them, too.
    """

    def __init__(self, folder: Path, store: Store) -> None:
        self.folder = folder
        self.store = store
        self.tools = ToolRegistry()
        self.output: list[bytes] = []
        self.on_output: Callable[[str, bytes], None] | None = None
        self._workers: list[int] = []
        self._quiet = self.go(self.start(_QUIET)).session
        self._quiet_before = self._all_of(self._quiet)
        self.output.clear()

    @property
    def lines(self) -> list[str]:
        """The output so far, as text."""
        return [text.decode(errors="backslashreplace") for text in self.output]

    def start(
        self,
        text: str | bytes,
        *,
        allow: Sequence[str] = (),
        deny: Sequence[str] = (),
        **limits: Any,
    ) -> Run:
        """Hold a new session for a script.

        Args:
            text: The script.
            allow: Permissions to add.
            deny: Permissions to take away.
            limits: The session's limits; with none for memory, it is 64 MB.
        """
        path = self.folder / "attack.lua"
        path.write_bytes(text.encode(errors="surrogateescape") if isinstance(text, str) else text)
        run = running.start(
            self.store,
            Program.from_file(path, allow=tuple(allow), deny=tuple(deny)),
            script=path.name,
            limits={"memory_bytes": MEMORY_BYTES, **limits},
            on_output=self._keep,
            tools=self.tools,
        )
        self._workers.append(run.worker_pid)
        return run

    def resume(self, result: RunResult, *, value: Any = None, **limits: Any) -> RunResult:
        """Go on with a session to where it ends or stops next."""
        run = running.resume(
            self.store,
            result.session,
            value=value,
            limits=limits,
            on_output=self._keep,
            tools=self.tools,
        )
        self._workers.append(run.worker_pid)
        return self.go(run)

    def go(self, run: Run) -> RunResult:
        """Run a session, and make sure of what holds however it ended."""
        with hard_limit():
            result = run.go()
            self._check(result)
        return result

    def __call__(self, text: str | bytes, **options: Any) -> RunResult:
        """Run a script as a new session; options as for `start`."""
        return self.go(self.start(text, **options))

    def completes(self, text: str | bytes, **options: Any) -> list[str]:
        """Run a script that has to reach its end, and return its output."""
        result = self(text, **{"max_duration": HARD_LIMIT_S, **options})
        assert result.ended.status == "completed", (result.ended, result.session.error, self.lines)
        return self.lines

    def fails(self, text: str | bytes, **options: Any) -> str:
        """Run a script that has to end with an error, and return its message."""
        result = self(text, **{"max_duration": HARD_LIMIT_S, **options})
        assert result.ended.status == "failed", (result.ended, self.lines)
        assert result.session.error is not None
        assert result.session.error["message"] == result.ended.message
        return result.ended.message

    def stopped_by(self, limit: str, text: str | bytes, **limits: Any) -> RunResult:
        """Run a script that a limit has to stop."""
        result = self(text, **limits)
        return self.check_stop(limit, result)

    def check_stop(self, limit: str, result: RunResult) -> RunResult:
        """Make sure that a limit stopped a session, and that it says so."""
        assert (result.ended.status, result.ended.reason, result.ended.limit) == (
            "suspended", "limit", limit,
        ), (result.ended, result.session.error, self.lines[-3:])  # fmt: skip
        assert result.exit_code == 5
        assert f"stopped by the limit {limit} after event" in result.ended.message
        ending = self.events(result, max(1, result.session.events - 200))
        stop_at = max(i for i, one in enumerate(ending) if one.kind == "limit")
        stop, *notes, end = ending[stop_at:]
        assert (stop.name, end.name) == (f"limit.{limit}", "lifecycle.suspend")
        assert {one.name for one in notes} <= {"note.not_performed"}
        assert stop.args["after"] == stop.number - 1
        return result

    def loops(self, text: str) -> RunResult:
        """Run a script that never ends by itself."""
        return self.replays(self.stopped_by("max_duration", text, max_duration=LOOP_S))

    def replays(self, result: RunResult) -> RunResult:
        """Make sure that a replay ends where the recording does, and finds the same."""
        with hard_limit():
            replayed = replay(self.store, result.session)
        assert replayed.identical, replayed.divergence
        return result

    def events(self, result: RunResult, first: int = 1) -> list[Event]:
        """Return the events of a session from a number on."""
        return list(events(self.store, result.session.key, first))

    def begin(self) -> None:
        """Forget what the attack before left behind."""
        self.tools = ToolRegistry()
        self.output.clear()
        self.on_output = None
        self._workers.clear()

    def check_rest(self) -> None:
        """Make sure that no worker is left and that the quiet session noticed nothing."""
        left = [pid for pid in self._workers if is_alive(pid)]
        assert not left, f"workers outlived their hosts: {left}"
        assert self._all_of(self._quiet) == self._quiet_before

    def close(self) -> None:
        """Make sure that the quiet session still goes on as it would have without attacks."""
        self.begin()
        waiting = RunResult(self.store.sessions.get(self._quiet.key), running.Ended("suspended"))
        assert self.resume(waiting, value="fine").ended.status == "completed"
        assert self.lines == ["quiet\txxx\tfine"]

    def _keep(self, name: str, text: bytes) -> None:
        if len(self.output) < 1_000:  # some attacks print for as long as they are let
            self.output.append(text[:10_000])
        if self.on_output is not None:
            self.on_output(name, text)

    def _check(self, result: RunResult) -> None:
        session = result.session
        assert self.store.leases.holder(session.key) is None
        self.store.history.verify(session.key)
        for first in {1, max(1, session.events - 99)}:  # floods have too many to look at each
            last = min(first + 99, session.events)
            found = list(events(self.store, session.key, first, last))
            assert [one.number for one in found] == list(range(first, last + 1))
            for one in found:
                json.dumps(one.to_json(session.id, full=True))
        assert session.status == result.ended.status
        if session.status == "suspended":
            check_resumable(session)
            assert result.ended.message or result.ended.reason == "asked"

    def _all_of(self, session: SessionRecord) -> tuple[Any, ...]:
        self.store.history.verify(session.key)
        records = list(self.store.history.records(session.key))
        state = self.store.state.list(f"session:{session.id}")
        return self.store.sessions.get(session.key), records, state


@contextmanager
def attacker(folder: Path) -> Iterator[Attacker]:
    """Open a store in a folder, which becomes the working directory, and run attacks in it."""
    with chdir(folder), Store(folder / "store", durability="process") as store:
        one = Attacker(folder, store)
        yield one
        one.close()

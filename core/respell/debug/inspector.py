"""Looking at a script that stands still, and at what its session was at that time."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, Literal

from respell.debug.execution import Execution
from respell.debug.inspecting import (
    Coroutine,
    Evaluated,
    Frame,
    Value,
    Variable,
    Variables,
    frames_of,
    value_of,
    variables_of,
)
from respell.debug.position import Position
from respell.debug.worker import Cancelled, DebugWorker, as_text
from respell.errors import UsageError
from respell.history.events import Event, events
from respell.sessions.inheritance import aliases_of
from respell.sessions.record import SessionRecord
from respell.store import Store

EVALUATE_WITHIN_S = 10.0

MOST_BYTES = 1024 * 1024
"""Most bytes of a string that are read at once."""

Only = Literal["indexed", "named"]


class Inspector:
    """Reads from the worker that is here, and from the history up to its position."""

    def __init__(self, store: Store, session: SessionRecord, execution: Execution) -> None:
        self._store, self._session, self._execution = store, session, execution

    def _holder(self, value: Value) -> DebugWorker:
        """Return the worker that has a value."""
        return self._execution.copy(value.copy) if value.copy else self._worker

    @property
    def _worker(self) -> DebugWorker:
        assert self._execution.here is not None
        return self._execution.here

    def coroutines(self) -> list[Coroutine]:
        """Return the main thread and every coroutine that lives, or died of an error."""
        listed = [
            Coroutine(one["coroutine"], as_text(one["status"]))
            for one in self._worker.ask("coroutines")
        ]
        return sorted(listed, key=lambda one: one.number)

    def stack(self, coroutine: int | None, first: int, count: int) -> list[Frame]:
        """Return the frames of a coroutine, innermost first."""
        if first < 0 or count < 0:
            raise UsageError(f"frames are counted from 0, not {min(first, count)}")
        order = {} if coroutine is None else {"coroutine": coroutine}
        said = self._worker.ask("stack", first=first, count=count, **order)
        return frames_of(said, first)

    def frame(self, index: int, coroutine: int | None = None) -> Frame:
        """Return one frame.

        Raises:
            UsageError: There is none.
        """
        found = self.stack(coroutine, index, 1)
        if not found:
            if index:
                raise UsageError(f"there is no frame {index} here")
            raise UsageError("no function of the script runs here; step back to where one does")
        return found[0]

    def variables(self, frame: Frame) -> Variables:
        """Return what a frame's function sees."""
        said = self._worker.ask("variables", coroutine=frame.coroutine, level=frame.level)
        return Variables(*(variables_of(said[n]) for n in ("locals", "varargs", "upvalues")))

    def variable(self, name: str, frame: Frame | None) -> dict[str, Any]:
        """Return whose variable a name is: what tells it from others of that name."""
        if frame is None:
            return {"scope": "global"}
        said = self._worker.ask(
            "data_scope", name=name, coroutine=frame.coroutine, level=frame.level
        )
        scope: dict[str, Any] = {"scope": as_text(said["scope"])}
        if scope["scope"] == "global":
            return scope
        scope |= {
            "coroutine": frame.coroutine, "depth": frame.depth, "source": frame.source,
            "defined": frame.defined,
        }  # fmt: skip
        return {**scope, "index": said["index"]} if "index" in said else scope

    def named(self, frame: Frame, name: str) -> tuple[int, bool]:
        """Return which local of a frame a name means (0 for none), and whether an upvalue is it."""
        said = self._worker.ask("variables", coroutine=frame.coroutine, level=frame.level)
        index = 0
        for one in said["locals"] or []:
            if as_text(one["name"]) == name:
                index = one["index"]
        return index, not index and any(
            as_text(one["name"]) == name for one in said["upvalues"] or []
        )

    def globals(self) -> tuple[list[Variable], list[str]]:
        """Return the globals that the script made or changed, and names of those it took away."""
        said = self._worker.ask("globals")
        return variables_of(said["changed"]), [as_text(name) for name in said["gone"] or []]

    def children(
        self, value: Value, first: int, count: int, only: Only | None
    ) -> tuple[list[Variable], int, Value | None]:
        """Return what is inside of a value, how much that is in all, and its metatable."""
        order: dict[str, Any] = {} if only is None else {"only": only}
        said = self._holder(value).ask("children", ref=value.ref, first=first, count=count, **order)
        meta = value_of(said["meta"]) if said.get("meta") else None
        inside = variables_of(said["children"])
        if value.copy:
            inside = [replace(one, value=replace(one.value, copy=value.copy)) for one in inside]
            meta = meta and replace(meta, copy=value.copy)
        return inside, said["total"], meta

    def bytes(self, value: Value, first: int, count: int) -> bytes:
        """Return bytes of a string."""
        said = self._holder(value).ask(
            "bytes", ref=value.bytes_ref, first=first, count=min(count, MOST_BYTES)
        )["bytes"]
        return said.encode() if isinstance(said, str) else bytes(said)

    def look(self, text: str, frame: Frame | None) -> Value | None:
        """Return the value of an expression that leaves no trace; None if this is none."""
        said = self._worker.ask("look", **_order(text, frame))
        return value_of(said["value"]) if said and said.get("value") else None

    def evaluate(
        self, text: str, frame: Frame | None, timeout_s: float, keep: bool = False
    ) -> Evaluated:
        """Evaluate in a worker that is thrown away, or kept for what is inside of the values."""
        try:
            worker = self._execution.throw_away(self._worker)
        except Cancelled:
            return Evaluated(error="it was cancelled")
        kept, until = False, time.monotonic() + timeout_s
        try:
            said = worker.ask("evaluate", timeout_s=timeout_s, **_order(text, frame))
            found = evaluated(said)
            if keep and any(one.ref or one.bytes_ref for one in found.values):
                kept = True
                return self._keep(worker, found)
        except Cancelled:
            if time.monotonic() < until:
                return Evaluated(error="it was cancelled")
            return Evaluated(error=f"it did not end within {timeout_s:g} s")
        finally:
            if not kept:
                worker.close()
        values = [replace(one, ref=0, bytes_ref=0) for one in found.values]
        return replace(found, values=values)

    def _keep(self, worker: DebugWorker, found: Evaluated) -> Evaluated:
        number = self._execution.keep_copy(worker)
        return replace(found, values=[replace(one, copy=number) for one in found.values])

    def event(self, position: Position) -> Event | None:
        """Return the event that a position comes after."""
        return next(events(self._store, self._session.key, position.event, position.event), None)

    def output(self, position: Position) -> list[str]:
        """Return what had been written by then."""
        return [
            as_text(event.args.get("text", ""))
            for event in events(self._store, self._session.key, 1, position.event)
            if event.name.startswith("output.")
        ]

    def state(self, position: Position) -> dict[str, dict[str, Any]]:
        """Return the values that the script had set by then and not deleted, by scope and key."""
        scopes: dict[str, dict[str, Any]] = {}
        for event in events(self._store, self._session.key, 1, position.event):
            if event.name not in ("state.set", "state.delete") or event.error is not None:
                continue
            scope = as_text(event.args.get("scope") or f"session:{self._session.id}")
            key = as_text(event.args.get("key"))
            value = event.args.get("value") if event.name == "state.set" else None
            if value is None:
                scopes.get(scope, {}).pop(key, None)
            else:
                scopes.setdefault(scope, {})[key] = value
        return {scope: kept for scope, kept in scopes.items() if kept}

    def artifacts(self, position: Position) -> list[dict[str, Any]]:
        """Return the artifacts that its events had made by then, and which of them deleted."""
        made: dict[str, dict[str, Any]] = {}
        aliases = aliases_of(self._store, self._session)
        for event in events(self._store, self._session.key, 1, position.event):
            for one in self._store.artifacts.of_event(self._session.key, event.number):
                made[one.id] = {
                    "id": one.id, "name": one.name, "version": one.version,
                    "event": event.number, "deleted": None,
                }  # fmt: skip
            if event.name == "artifact.delete" and event.error is None:
                owner, _, rest = as_text(event.args.get("id")).partition("/")
                gone = made.get(f"{aliases.get(owner, owner)}/{rest}")
                if gone is not None:
                    gone["deleted"] = event.number
        return list(made.values())


def _order(text: str, frame: Frame | None) -> dict[str, Any]:
    if frame is None:
        return {"text": text}
    return {"text": text, "coroutine": frame.coroutine, "level": frame.level}


def evaluated(said: dict[str, Any]) -> Evaluated:
    """Return what a worker says that an expression came to."""
    error = said.get("error")
    return Evaluated(
        [value_of(one) for one in said.get("values") or []],
        None if error is None else as_text(error),
        [as_text(text) for text in said["output"] or []],
    )

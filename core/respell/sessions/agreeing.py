"""Asking the hooks before something is done to a session from outside its program.

An operation is checked first: hooks are asked only about what is possible. Then nothing has
been done yet, and nothing is if a hook cancels it. What hooks did is recorded with the operation,
in the history of the session where that has one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from respell import values
from respell.errors import HookCancelled, UsageError
from respell.history.record import Packed, Record
from respell.hooks.context import About
from respell.hooks.executor import Call, Chain
from respell.hooks.records import notes_of
from respell.hooks.registry import Hook, HookRegistry, declared, load_installed
from respell.hooks.results import Cache, Fork, HookResult, Modified, Redirect, Replace, Retry
from respell.sessions.creating import checked_name, checked_tags
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.times import now_us


@dataclass(frozen=True, slots=True)
class Agreed:
    """What hooks made of an operation.

    Attributes:
        data: What they were told, as they have changed it.
        calls: The calls of hooks.
        instead: Name of the operation that is done instead; empty for the one that was asked.
        replaced: Nothing is to be done at all.
    """

    data: Mapping[str, Any]
    calls: Sequence[Call] = ()
    instead: str = ""
    replaced: bool = False

    def records(self, number: int) -> list[Record | Packed]:
        """Return the records of the calls, as the events after the one of this number."""
        return notes_of(self.calls, number + 1, 0, now_us())


@dataclass(frozen=True, slots=True)
class Operation:
    """Something that is about to be done to a session.

    Attributes:
        point: Whose hooks are asked.
        name: e.g. `session.archive`.
        session_id: Id of the session; empty for one that is yet to be made.
        may_change: The fields of what hooks are told that they may change.
        may_redirect: The operations that may be done instead, by the last word of their names.
        may_replace: It may be left undone without an error.
    """

    point: str
    name: str
    session_id: str = ""
    may_change: frozenset[str] = frozenset()
    may_redirect: Sequence[str] = ()
    may_replace: bool = True

    def check(self, result: HookResult) -> None:
        """Do nothing if a result can be acted on.

        Raises:
            UsageError: It can't; says why.
        """
        if isinstance(result, Fork | Cache):
            raise UsageError(f"{result.kind} is for what a program does; {self.name} is not")
        if isinstance(result, Redirect) and result.target not in self.may_redirect:
            choice = ", ".join(self.may_redirect)
            raise UsageError(
                f"{self.name} can't be redirected to {result.target!r:.80}"
                + (f"; it can to {choice}" if choice else "")
            )
        if isinstance(result, Replace) and not self.may_replace:
            raise UsageError(f"{self.name} can't be replaced; cancel it instead")
        if isinstance(result, Modified):
            given = result.data
            odd = set(given) - self.may_change if isinstance(given, dict) else {"the whole"}
            told = sorted(str(it) for it in odd - {"action", "session_id", "status"})
            if told:
                raise UsageError(
                    f"{self.name}: {told[0]} can't be changed; "
                    + (", ".join(sorted(self.may_change)) or "nothing")
                    + " can"
                )


@dataclass(slots=True)
class _Asking:
    operation: Operation
    hooks: Sequence[Hook]
    about: About
    calls: list[Call] = field(default_factory=list)

    def ask(self, data: Mapping[str, Any]) -> Agreed:
        attempt = 1
        while True:
            chain = Chain(
                self.hooks, "before", values.encode(dict(data)), self.about, attempt=attempt,
                check=self.operation.check,
            )  # fmt: skip
            chain.start()
            chain.wait()
            self.calls += chain.calls
            verdict, by = chain.verdict, chain.decided_by
            if not isinstance(verdict, Retry):
                break
            if attempt >= verdict.max_attempts:
                raise HookCancelled(by, f"it still asks to try again after {attempt} attempts")
            attempt += 1
            time.sleep(verdict.delay_s)
        if verdict is not None and not isinstance(verdict, Replace):
            raise HookCancelled(by, verdict.reason)
        told = {**data, **values.decode(chain.data)} if chain.changed else data
        return Agreed(told, self.calls, chain.target or "", isinstance(verdict, Replace))


def agree(
    store: Store,
    operation: Operation,
    data: Mapping[str, Any],
    *,
    possible: Callable[[], object],
    hooks: HookRegistry | None = None,
) -> Agreed:
    """Ask the hooks of a point about an operation.

    Args:
        store: Where the session is, or will be.
        operation: What is about to be done.
        data: What hooks are told besides `action` and `session_id`.
        possible: Raises what the operation would be refused for; called only where there is a
            hook, and whatever it does in the store is undone.
        hooks: The hooks; None for those of this process.

    Raises:
        HookCancelled: A hook does not let it happen; nothing was done.
    """
    load_installed()
    found = (declared if hooks is None else hooks).at(operation.point)
    if not found:
        return Agreed(data)
    with store.tried():
        possible()
    about = About(
        session_id=operation.session_id, component=operation.session_id, kind="session",
        effect=operation.name, at=now_us(), store=store,
    )  # fmt: skip
    told = {
        "action": operation.name.partition(".")[2], "session_id": operation.session_id, **data
    }  # fmt: skip
    return _Asking(operation, found, about).ask(told)


_START = Operation(
    "SessionStart", "session.create",
    may_change=frozenset(("name", "description", "tags", "metadata")), may_replace=False,
)  # fmt: skip


def agree_to_start(
    store: Store,
    session: SessionRecord,
    *,
    possible: Callable[[], object],
    hooks: HookRegistry | None = None,
) -> tuple[SessionRecord, Agreed]:
    """Ask the hooks about a session that is about to be created.

    Args:
        store: Where it will be.
        session: What it shall be like; not inserted yet.
        possible: As for `agree`.
        hooks: As for `agree`.

    Returns:
        What it shall be like as hooks have changed it, and what they did.

    Raises:
        HookCancelled: A hook does not let it be created; nothing was.
        UsageError: A hook gave it a name or a tag that no session can have.
    """
    told = {name: getattr(session, name) for name in sorted(_START.may_change)}
    agreed = agree(store, _START, told, possible=possible, hooks=hooks)
    data = agreed.data
    fields: dict[str, Any] = {
        "name": checked_name("SessionStart", data["name"]),
        "description": str(data["description"] or ""),
        "tags": checked_tags("SessionStart", data["tags"]),
        "metadata": dict(data["metadata"] or {}),
    }
    return (replace(session, **fields) if agreed.calls else session), agreed

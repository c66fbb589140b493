"""Calling replayable hooks again with what they were told, and comparing what they decide."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from respell import values
from respell.errors import UsageError
from respell.history.record import Part, Record, Status
from respell.hooks.breaker import Breaker, Meter
from respell.hooks.context import About
from respell.hooks.executor import Chain
from respell.hooks.records import HOOK_CALL
from respell.hooks.registry import Hook, HookRegistry, load_installed
from respell.hooks.results import recorded
from respell.sessions.record import SessionRecord
from respell.store import Store


@dataclass(frozen=True, slots=True)
class HookDifference:
    """A hook that decides something else than it did.

    Attributes:
        event: Number of the event of its call.
        hook: Its name.
        point: Its point.
        expected: What it decided then: `type` and its fields, or `error`.
        found: What it decides now; None where there is no such hook any more.
    """

    event: int
    hook: str
    point: str
    expected: dict[str, Any]
    found: dict[str, Any] | None

    def to_json(self) -> dict[str, Any]:
        """Return it as `respell replay --hooks --json` shows it."""
        return {
            "event": self.event, "hook": self.hook, "point": self.point,
            "expected": values.to_json(self.expected), "found": values.to_json(self.found),
        }  # fmt: skip


def check_hooks(
    store: Store,
    session: SessionRecord,
    hooks: HookRegistry,
    first: int | None = None,
    last: int | None = None,
) -> tuple[int, list[HookDifference]]:
    """Call the replayable hooks of a session again; what they decide is done nowhere.

    Args:
        store: Where the session is.
        session: The session.
        hooks: The hooks there are now.
        first: Number of the first event that counts; None for the beginning.
        last: Number of the last one; None for the end.

    Returns:
        How many calls were compared, and those that differ.
    """
    load_installed()
    compared, different = 0, []
    for record in _calls(store, session, first or 1, last):
        args = record.arguments()
        expected = _decided(record)
        found = _called_again(store, session, hooks, args)
        compared += 1
        if values.encode(found) != values.encode(expected):
            different.append(
                HookDifference(record.number, args["hook"], args["point"], expected, found)
            )
    return compared, different


def _calls(store: Store, session: SessionRecord, first: int, last: int | None) -> Iterator[Record]:
    """Yield the calls that were recorded with what the hook was told."""
    for _, record in store.history.events(session.key, first, last):
        is_call = record.part is Part.NOTE and record.name == HOOK_CALL
        if is_call and "context" in record.arguments():
            yield record


def _decided(record: Record) -> dict[str, Any]:
    if record.status is Status.ERROR:
        return {"error": record.value()}
    decided = dict(record.value())
    decided.pop("us", None)
    return decided


def _called_again(
    store: Store, session: SessionRecord, hooks: HookRegistry, args: dict[str, Any]
) -> dict[str, Any] | None:
    try:
        hook = hooks.get(args["hook"], point=args["point"])
    except UsageError:
        return None
    told = args["context"]
    about = About(
        session_id=session.id, component=told["component"], kind=told["kind"],
        effect=told["effect"], event=told["event"], at=told["at"],
        arguments=values.encode(told["arguments"]), store=store,
    )  # fmt: skip
    # With a breaker and figures of its own: this is no call that counts.
    apart: Hook = replace(hook, breaker=Breaker(), meter=Meter(), enabled=True)
    chain = Chain(
        (apart,), hook.point.when, values.encode(told["data"]), about,
        attempt=args.get("attempt", 1),
    )  # fmt: skip
    chain.start()
    chain.wait()
    (call,) = chain.calls
    return {"error": call.error} if call.error else recorded(call.result)

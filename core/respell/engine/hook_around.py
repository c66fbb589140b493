"""An effect that hooks of the host are around: which they are, and how far it has come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from respell import values
from respell.engine.performing import Outcome, Ready
from respell.history.record import Record, Status
from respell.hooks.executor import Chain
from respell.hooks.points import ANY_EFFECT, EFFECTS, UNHOOKED
from respell.hooks.registry import Hook, HookRegistry
from respell.hooks.results import Cache


@dataclass(frozen=True, slots=True)
class Hooks:
    """The hooks around one effect, in the order in which they run."""

    before: tuple[Hook, ...] = ()
    after: tuple[Hook, ...] = ()
    error: tuple[Hook, ...] = ()

    def following(self, outcome: Outcome) -> tuple[Hook, ...]:
        """Return those that run after it has come to an outcome."""
        return self.after if outcome.status is Status.OK else self.error


class HooksByEffect:
    """Which hooks are around which effect.

    Args:
        registry: Which hooks there are; it may change at any time.
    """

    def __init__(self, registry: HookRegistry) -> None:
        self._registry = registry
        self._version = -1
        self._known: dict[str, Hooks | None] = {}

    def of(self, effect: str) -> Hooks | None:
        """Return the hooks around an effect; None where there are none."""
        version = self._registry.version
        if version != self._version:
            self._known.clear()
            self._version = version
        if effect not in self._known:
            self._known[effect] = self._looked_up(effect)
        return self._known[effect]

    def _looked_up(self, effect: str) -> Hooks | None:
        if effect in UNHOOKED:
            return None
        before, after, error = EFFECTS.get(effect, ("", "", ""))
        any_before, any_after, any_error = ANY_EFFECT
        at = self._registry.at

        def anyway(point: str) -> tuple[Hook, ...]:
            return tuple(one for one in at(point) if one.wants is None or one.wants(effect))

        found = Hooks(
            (*anyway(any_before), *at(before)), (*at(after), *anyway(any_after)),
            (*at(error), *anyway(any_error)),
        )  # fmt: skip
        return found if found.before or found.after or found.error else None


@dataclass(slots=True)
class Around:
    """One effect that hooks are around.

    Attributes:
        record: Its intent, with the script's arguments.
        hooks: What is around it.
        performed: The intent as hooks have changed it.
        tries: How often its before-hooks have run.
        attempts: How often it was performed.
        chain: What runs now.
        then: What is done when that has ended.
        raw: What performing it came to.
        keys: Where its outcome is to be stored.
        at_once: The host performs it itself if it only reads.
        fresh: This host has begun it, and nothing was noted of it since.
        ready: How what the script asks for is performed, as long as nothing else has happened
            since that was found out.
    """

    record: Record
    hooks: Hooks
    performed: Record
    tries: int = 1
    attempts: int = 1
    chain: Chain | None = None
    then: Callable[[Around, Chain], None] | None = None
    raw: Outcome | None = None
    keys: list[Cache] = field(default_factory=list)
    at_once: bool = False
    fresh: bool = False
    ready: Ready | None = None

    def is_whole(self, outcome: Outcome) -> bool:
        """Return whether all there is to record is what would be without hooks around it.

        Args:
            outcome: What the script gets: what performing it came to, or why it was not asked for.
        """
        return (
            self.fresh
            and self.at_once
            and self.performed is self.record
            and (self.raw is None or outcome is self.raw)
        )

    def stage(self, stage: str, **more: Any) -> dict[str, Any]:
        """Return what is noted of how far it has come; `taken_up` reads it.

        Args:
            stage: One of `respell.engine.attempts`.
            more: What else there is to know.
        """
        args = {"number": self.record.number, "stage": stage, **more}
        if self.tries > 1:
            args["tries"] = self.tries
        if self.attempts > 1:
            args["attempts"] = self.attempts
        if self.keys:
            args["keys"] = [[it.key, it.ttl] for it in self.keys]
        return args

    def changed(self) -> dict[str, Any]:
        """Return what is performed, as far as that is not what the script asked for."""
        if self.performed is self.record:
            return {}
        return {"name": self.performed.name, "args": self.performed.arguments()}

    @classmethod
    def taken_up(cls, record: Record, hooks: Hooks, stage: dict[str, Any], attempts: int) -> Around:
        """Return an effect as far as an earlier host had come with it.

        Args:
            record: The intent.
            hooks: What is around it now.
            stage: What was noted last.
            attempts: The how-manieth time it is performed now, as far as that is noted.
        """
        one = cls(record, hooks, record)
        one.tries = stage.get("tries", 1)
        one.attempts = max(attempts, stage.get("attempts", 1))
        one.keys = [Cache(key, ttl) for key, ttl in stage.get("keys", [])]
        if "name" in stage:
            args = values.encode(stage["args"]) if "args" in stage else record.args
            one.performed = replace(record, name=stage["name"], args=args)
        return one


def raw_outcome(stage: dict[str, Any]) -> Outcome:
    """Return what performing it came to, from the note that it was performed."""
    value = values.encode(stage.get("outcome"))
    error = stage.get("error", "")
    return Outcome(Status.ERROR if error else Status.OK, value, error)

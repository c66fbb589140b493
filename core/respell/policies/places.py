"""What a middleware can be around, and at which points of hooks that is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from respell.effect import check_performed
from respell.errors import EffectFailed, UsageError
from respell.hooks.points import ANY_EFFECT, EFFECTS, find

_CREATE = ("SessionStart",)
_UPDATE = ("SessionSave", "SessionCheckpoint", "SessionRestore", "SessionEnd", "SessionArchive")
_DELETE = ("SessionDelete",)
_POINTS = {"create": _CREATE, "update": _UPDATE, "delete": _DELETE}
_READS = frozenset(
    f"session.{verb}"
    for verb in (
        "get", "list", "load", "timeline", "causes", "stats", "diff", "check", "can_replay",
        "replay", "replay_metadata", "list_replayable",
    )
)  # fmt: skip

OPERATIONS = ("create", "read", "update", "delete", "other")
"""Kinds of operations on sessions; other is what is none of the four."""

ALL = "effects"
"""Everything that a host performs."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a middleware is registered: a point, and which effects it is about there."""

    point: str
    wants: Callable[[str], bool] | None = None


def places(around: Sequence[str], when: str) -> list[Place]:
    """Return where a middleware is registered so that nothing is met twice.

    Raises:
        UsageError: There is nothing of such a name.
    """
    points: dict[str, None] = {}
    tests: list[Callable[[str], bool]] = []
    for one in around:
        if one == ALL:
            return [Place(ANY_EFFECT[0 if when == "before" else 1])]
        if one in _POINTS and when == "before":
            points.update(dict.fromkeys(_POINTS[one]))
        elif one in OPERATIONS:
            tests.append(_test_of(one))
        else:
            point, test = _single(one, when)
            if point:
                points[point] = None
            if test:
                tests.append(test)
    found = [Place(point) for point in points]
    if tests:
        place = ANY_EFFECT[0 if when == "before" else 1]
        found.append(Place(place, lambda effect: any(test(effect) for test in tests)))
    return found


def _single(name: str, when: str) -> tuple[str, Callable[[str], bool] | None]:
    """Return the point of one effect, or of one that was named; or a test for the effect."""
    if not isinstance(name, str):
        raise UsageError(f"a middleware is around operations and effects, not {name!r:.80}")
    if name in EFFECTS:
        before, after, _ = EFFECTS[name]
        point = before if when == "before" else after
        return (point, None) if point and len(_effects_at(point)) == 1 else ("", name.__eq__)
    if "." in name and ":" not in name:
        try:
            check_performed(name)
        except EffectFailed as error:
            raise UsageError(f"a middleware can't be around {name!r:.80}: {error}") from None
        return "", name.__eq__
    try:
        point_ = find(name)
    except UsageError as error:
        kinds = ", ".join((*OPERATIONS, ALL))
        raise UsageError(
            f"a middleware is around {kinds}, an effect such as tool.invoke, or a point of "
            f"hooks; {error}"
        ) from None
    return (point_.name, None) if point_.when == when else ("", None)


def _effects_at(point: str) -> list[str]:
    return [effect for effect, around in EFFECTS.items() if point in around]


def _test_of(kind: str) -> Callable[[str], bool]:
    if kind == "read":
        return _READS.__contains__
    if kind == "other":
        named = {e for points in _POINTS.values() for point in points for e in _effects_at(point)}
        return lambda effect: (
            effect.startswith("session.") and effect not in named and effect not in _READS
        )
    meant = {effect for point in _POINTS[kind] for effect in _effects_at(point)}
    return meant.__contains__

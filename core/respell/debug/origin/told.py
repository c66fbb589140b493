"""What is told of where a value came from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from respell.debug.inspecting import Value
from respell.debug.position import Position

_MOST_LEAVES = 8  # that are shown of one source

Kind = Literal["effect", "constant", "given", "edited", "computed", "lost"]


@dataclass(frozen=True, slots=True)
class OriginStep:
    """One place that a value went through, on its way from where it came from.

    Attributes:
        position: Where the line was about to run.
        source: Chunk name of the line; empty where none of the script's did it.
        line: The line, 1-based; 0 for none.
        what: What got the value from what: `total = add(total, i)`, `return sum`.
        value: The value that went on from here.
    """

    position: Position
    source: str
    line: int
    what: str
    value: Value | None

    def describe(self) -> str:
        """Return it in one line."""
        where = f"{self.source}:{self.line}" if self.line else ""
        shown = f"  → {self.value.text}" if self.value is not None else ""
        return f"{self.position}  {where}  {self.what}{shown}"

    def to_json(self) -> dict[str, Any]:
        """Return it as `respell debug --json` shows it."""
        return {
            "position": str(self.position), "source": self.source or None,
            "line": self.line or None, "what": self.what,
            "value": None if self.value is None else self.value.to_json(),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class OriginArtifact:
    """The artifact that a value was stored as, or came out of.

    Attributes:
        id: Its id.
        name: Its name.
        version: Which one of that name, from 1.
        hash: Hash of its content, 64 hexadecimal digits.
    """

    id: str
    name: str
    version: int
    hash: str

    def to_json(self) -> dict[str, Any]:
        """Return it as `respell debug --json` shows it."""
        return {"id": self.id, "name": self.name, "version": self.version, "hash": self.hash}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from, as far as it could be followed.

    Attributes:
        expression: What was asked about.
        value: The value it has there; None where it can't be told.
        kind: `effect`, an effect's outcome; `constant`, it stands in the script; `given`, the
            session was begun with it; `edited`, it was set by an edit, in a dry run or for a
            fork; `computed`, from others, see `sources`; `lost`.
        steps: What it went through, the last first.
        position: Where it came into the script; None where that is not known.
        source: Chunk name of the line that brought it in; empty where that is not known.
        line: That line, 1-based; 0 where it is not known.
        event: Number of the event whose outcome it is, or has it inside; None for none.
        effect: Name of that event, such as `tool.invoke`; empty for none.
        about: What the effect was about: the name of a tool or agent, a path, a key; empty for
            others.
        field: Which part of the outcome it is: `result.items[3].price`; empty for all of it, or
            where that is not known.
        artifact: The artifact that it came out of or that was stored of the event; None for none.
        note: What else is to be said of where it came from; empty for nothing.
        lost: Why it could not be followed any further; None where it was.
        sources: What it was computed from, each with where that came from.
    """

    expression: str
    value: Value | None
    kind: Kind
    steps: tuple[OriginStep, ...] = ()
    position: Position | None = None
    source: str = ""
    line: int = 0
    event: int | None = None
    effect: str = ""
    about: str = ""
    field: str = ""
    artifact: OriginArtifact | None = None
    note: str = ""
    lost: str | None = None
    sources: tuple[Origin, ...] = ()

    def leaves(self) -> Iterator[Origin]:
        """Yield what it came from in the end: itself, or that of its sources, nearest first."""
        if not self.sources:
            yield self
        for one in self.sources:
            yield from one.leaves()

    @property
    def brought(self) -> Value | None:
        """The value as it came into the script, before anything was made of it."""
        values = (step.value for step in reversed(self.steps) if step.value is not None)
        return next(values, self.value)

    @property
    def events(self) -> list[int]:
        """Numbers of all events that it came from, each once, in the order of `leaves`."""
        found = (one.event for one in self.leaves() if one.event is not None)
        return list(dict.fromkeys(found))

    @property
    def _effect(self) -> str:
        return f"{self.effect} {self.about}" if self.about else self.effect

    def describe(self) -> str:
        """Return in a few words where it came from, without the way."""
        at = f"{self.source}:{self.line}" if self.line else ""
        if self.kind == "effect":
            field = f", {self.field}" if self.field else ""
            text = f"event {self.event} ({self._effect}{field})"
            if self.artifact is not None:
                text += f", artifact {self.artifact.name} v{self.artifact.version}"
            if at:
                text += f", asked for at {at}"
        elif self.kind == "computed":
            text = f"computed at {at}" if at else "computed"
        elif self.kind == "constant":
            text = f"it stands in the script at {at}"
        elif self.kind == "given":
            text = "given when the session was begun"
        elif self.kind == "edited":
            text = "set by an edit"
        else:
            text = "not followed further"
        note = f": {self.note}" if self.note else ""
        lost = f": {self.lost}" if self.lost else ""
        return text + note + lost

    def lines(self, *, full: bool = False) -> list[str]:
        """Return it for people: the value, the way back, and where it came from.

        Args:
            full: Also the ways of all its sources; without, only what they came from in the end.
        """
        shown = [_valued(self.expression, self.value)]
        shown += [f"  {step.describe()}" for step in self.steps]
        shown.append(f"  {self.describe()}")
        for number, one in enumerate(self.sources, 1):
            listed = one.lines(full=True) if full else one.brief()
            shown.append(f"    [{number}] {listed[0]}")
            shown += [f"      {line}" for line in listed[1:]]
        return shown

    def brief(self) -> list[str]:
        """Return what it is, and what it came from in the end, without the ways."""
        if not self.sources:
            return [f"{_valued(self.expression, self.value)}   {self.describe()}"]
        shown = dict.fromkeys(one._in_short() for one in self.leaves() if one.kind != "constant")
        listed = list(shown)[:_MOST_LEAVES]
        if len(shown) > len(listed):
            listed.append(f"and {len(shown) - len(listed)} more")
        if not listed:
            listed = ["from what stands in the script"]
        return [_valued(self.expression, self.value), *listed]

    def _in_short(self) -> str:
        if self.kind != "effect":
            return f"{_valued(self.expression, self.value)}   {self.describe()}"
        return f"event {self.event} ({self._effect}), {_valued(self.field or 'it', self.brought)}"

    def to_json(self) -> dict[str, Any]:
        """Return it as `respell debug --json` shows it."""
        return {
            "expression": self.expression,
            "value": None if self.value is None else self.value.to_json(),
            "kind": self.kind,
            "position": None if self.position is None else str(self.position),
            "source": self.source or None, "line": self.line or None,
            "event": self.event, "effect": self.effect or None, "about": self.about or None,
            "field": self.field or None,
            "artifact": None if self.artifact is None else self.artifact.to_json(),
            "note": self.note or None, "lost": self.lost,
            "events": self.events,
            "steps": [one.to_json() for one in self.steps],
            "sources": [one.to_json() for one in self.sources],
        }  # fmt: skip


def _valued(text: str, value: Value | None) -> str:
    return text if value is None else f"{text} = {value.text}"

"""Back through effects: to the one that brought a value in, or to what put it where it was got."""

from __future__ import annotations

from dataclasses import replace

from respell.debug.inspecting import Frame, Value
from respell.debug.lua_source.tree import Call, Constant
from respell.debug.lua_source.writing import text_of
from respell.debug.origin import passing
from respell.debug.origin.performed import about, event_of_call, has, place_in
from respell.debug.origin.places import Place
from respell.debug.origin.statements import calls_in, dotted, statements_at
from respell.debug.origin.told import Origin
from respell.debug.origin.walk import Asked, Next, Walk, lost, plain
from respell.debug.position import Position
from respell.debug.state_changes import state_changes
from respell.debug.stops import Stop
from respell.history.events import Event

_SETTERS = ("State.set", "State.save")
_STORERS = ("Artifact.store", "Artifact.derive")


def of_call(walk: Walk, asked: Asked, node: Call, name: str) -> Next | None:
    """Go on with the effect that a call was; None where it was none."""
    frame = walk.places.frame(asked.place)
    until = asked.until or asked.place.position
    lines = (frame.line, frame.line)
    if asked.statement is not None:
        lines = (asked.statement.line, max(asked.statement.line, node.end))
    began = asked.place.position
    found = walk.performed.between(
        began.event + (began.steps > 0), until.event, frame.coroutine, frame.source, lines
    )
    event = event_of_call(name, found, plain(asked.value), asked.path)
    return None if event is None else _of_event(walk, asked, node, event)


def of_callback(walk: Walk, asked: Asked, begin: Place, entry: Position) -> Origin | None:
    """Return the effect that a function was called back with a value of; None for none."""
    frame = walk.places.frame(begin)
    if asked.statement is None or plain(asked.value) is None:
        return None
    lines = (asked.statement.line, asked.statement.end)
    found = walk.performed.between(
        begin.position.event + 1, entry.event, frame.coroutine, frame.source, lines
    )
    for event in reversed(found):
        if event.error is None and has(event, plain(asked.value), asked.path):
            return _in_outcome(asked, event, _told(event))
    return None


def raised(walk: Walk, asked: Asked, frame: Frame, last: Position, end: Position) -> Origin | None:
    """Return the effect whose error ended a function; None where it was none."""
    lines = (frame.line, frame.line)
    found = walk.performed.between(last.event, end.event, frame.coroutine, frame.source, lines)
    failed = [one for one in found if one.error is not None]
    return replace(_told(failed[-1]), note="its error") if failed else None


def _of_event(walk: Walk, asked: Asked, node: Call, event: Event) -> Next:
    """Go on behind an effect that gave back what was given to another one; else this is it."""
    if event.error is not None:
        return replace(_told(event), note="its error")
    if walk.edited.has_outcome(event.number):
        told = replace(_told(event), note="an outcome that an edit gave it")
        return _in_outcome(asked, event, told)
    if event.name == "state.get":
        return _of_state_get(walk, asked, event)
    if event.name == "artifact.get_content" or (
        event.name == "artifact.get" and asked.path[:1] == ("content",)
    ):
        return _of_artifact(walk, asked, event)
    if event.name == "tool.invoke" and not calls_in(node.arguments):
        inside = _of_lua_tool(walk, asked, event)
        if inside is not None:
            return inside
    note = "given when the session was resumed" if event.name == "session.suspend" else ""
    artifact = walk.performed.made(event.number)
    return _in_outcome(asked, event, replace(_told(event), artifact=artifact, note=note))


def _of_lua_tool(walk: Walk, asked: Asked, event: Event) -> Next | None:
    """Go on inside of a tool that is a function of the script; None where it is none."""
    if asked.until is None or asked.path[:1] != ("result",):
        return None
    entries = walk.places.calls(asked.place, asked.until)
    if len(entries) != 1:
        return None
    walk.step(
        asked.place, f"tool {event.args.get('name')}, event {event.number}", asked.value,
        line=event.line, source=event.source,
    )  # fmt: skip
    asked = replace(asked, path=asked.path[1:], result=0)
    return passing.into(walk, asked, "the tool", entries, entries[0])


def _of_state_get(walk: Walk, asked: Asked, event: Event) -> Next:
    by = walk.performed.last_set(event)
    if by is None or by.name != "state.set" or not by.line:
        told = _in_outcome(asked, event, _told(event))
        why = "deleted before" if by is not None else "nobody set it in this session before"
        return replace(told, note=why if event.outcome is None else "set by another session")
    walk.step(
        Place(Position(event.number)), f"State.get of event {event.number}", asked.value,
        line=event.line, source=event.source,
    )  # fmt: skip
    return _argument_of(walk, asked, by, _SETTERS, -1) or _in_outcome(asked, by, _told(by))


def _of_artifact(walk: Walk, asked: Asked, event: Event) -> Next:
    read = walk.performed.read(event)
    if read is None:
        return _in_outcome(asked, event, _told(event))
    artifact, owner, number = read
    if not walk.performed.is_own(owner) or not 0 < number < event.number:
        note = f"stored by session {owner[:8]}" if owner else ""
        return _in_outcome(asked, event, replace(_told(event), artifact=artifact, note=note))
    made = walk.performed.event(number)
    assert made is not None
    walk.step(
        Place(Position(event.number)),
        f"artifact {artifact.name} v{artifact.version} of event {event.number}", asked.value,
        line=event.line, source=event.source,
    )  # fmt: skip
    if made.name in ("artifact.store", "artifact.derive"):
        content = _content_at(made)
        path = asked.path
        if event.name == "artifact.get":
            path = path[1:]
        found = _argument_of(walk, replace(asked, path=path), made, _STORERS, content)
        if found is not None:
            return found
    return _in_outcome(asked, made, replace(_told(made), artifact=artifact))


def _content_at(event: Event) -> int | None:
    """Return which argument the content is; None for store, which takes a type before or not."""
    return 3 if event.name == "artifact.derive" else None


def _argument_of(
    walk: Walk, asked: Asked, event: Event, names: tuple[str, ...], number: int | None
) -> Asked | None:
    """Go on with an argument of the call that caused an event."""
    place = Place(Position(event.number))
    frame = walk.places.frame(place)
    function = walk.places.function(frame)
    for statement in reversed(statements_at(function, event.line) if function else []):
        for call in reversed(calls_in(statement)):
            if dotted(call.function) not in names or len(call.arguments) < 2:
                continue
            at = _content_of(walk, call, event, place) if number is None else number
            if at >= len(call.arguments):
                continue
            walk.step(place, text_of(call), asked.value, line=event.line, source=event.source)
            if calls_in(call.arguments[at]):
                place = walk.places.begin(frame, place, place.position)
            return replace(
                asked, node=call.arguments[at], place=place, until=Position(event.number), result=0,
                statement=statement,
            )  # fmt: skip
    return None


def _content_of(walk: Walk, call: Call, event: Event, place: Place) -> int:
    """Return which argument of `Artifact.store` is the content: a type may stand before it."""
    named = plain(walk.places.value(text_of(call.arguments[1]), place))
    return 2 if named is None or named == event.args.get("name") else 3


def of_state(walk: Walk, expression: str, key: str, stop: Stop) -> Origin:
    """Return where the value of a key of the session's state came from."""
    performed = walk.performed
    found = [
        one
        for one in state_changes(performed.store, performed.session, key)
        if stop.at_end or one.position <= stop.position
    ]
    event = found[-1].event if found else None
    if event is None:
        told = lost(f"the session set no {key} before here")
        return replace(told, expression=expression, position=stop.position)
    value: Value = found[-1].new
    asked = Asked(Constant(None), Place(found[-1].position), value=value)
    following = _argument_of(walk, asked, event, _SETTERS, -1)
    steps = walk.taken()
    if following is None:
        return replace(_told(event), expression=expression, value=value)
    made = walk.follow(expression, following)
    return replace(made, steps=(*steps, *made.steps), value=value)


def _in_outcome(asked: Asked, event: Event, found: Origin) -> Origin:
    return replace(found, field=place_in(event, plain(asked.value), asked.path) or "")


def _told(event: Event) -> Origin:
    return Origin(
        "", None, "effect", position=Position(event.number), source=event.source, line=event.line,
        event=event.number, effect=event.name, about=about(event),
    )  # fmt: skip

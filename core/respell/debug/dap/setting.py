"""Requests that set variables: what if it had been another value?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from respell.debug.dap.containers import MOST_AT_ONCE
from respell.debug.dap.frames import frame_of
from respell.debug.dap.looking import shown_value
from respell.debug.dap.messages import Arguments, Body, Code, Refused
from respell.debug.dap.places import Child
from respell.debug.dap.progress import cancelled
from respell.debug.dap.shown import clean
from respell.debug.debugger import Debugger
from respell.debug.inspecting import Frame

if TYPE_CHECKING:
    from respell.debug.dap.session import DapSession

_DRY = (
    "From here on this is a dry run: nothing is performed. :fork makes a session of it, :discard "
    "goes back to what was recorded.\n"
)


def set_variable(session: DapSession, args: Arguments) -> Body:
    """Set a variable of a scope, or an entry of a table."""
    container = session.places.container(args.integer("variablesReference", least=1))
    name = args.text("name")
    children = container.children(None, 0, MOST_AT_ONCE)
    found: Child | None = next((one for one in children if clean(one.name) == name), None)
    if found is None:
        raise Refused(f"there is no {name} in there", Code.ARGUMENTS)
    if not found.settable or not found.expression:
        raise Refused(f"{name} can't be set")
    body = _set(session, args, found.expression, container.frame or 0)
    body["value"] = body.pop("result")
    body.pop("presentationHint")
    return body


def set_expression(session: DapSession, args: Arguments) -> Body:
    """Set what an expression names."""
    body = _set(session, args, args.text("expression"), frame_of(session, args))
    body["value"] = body.pop("result")
    return body


def _set(session: DapSession, args: Arguments, expression: str, frame: Frame | int) -> Body:
    debugger = session.debugger
    if debugger.stop.at_end:
        raise Refused("the script has ended here: there is nothing to go on with")
    first = not debugger.edits
    at = frame if isinstance(frame, Frame) else debugger.stack(count=1)[0]
    if debugger.set_variable(expression, args.text("value"), frame).reason == "cancelled":
        raise cancelled()
    session.edited()
    if first:
        session.after(lambda: session.tell(_DRY))
    value = debugger.look(expression, at)
    in_hex = args.object("format").flag("hex")
    return shown_value(session, value, expression, at, in_hex=in_hex, settable=True)


def discard_edits(session: DapSession, args: Arguments) -> Body:
    """Go back to the session as it was recorded, to where the first edit was made."""
    return session.travel(Debugger.discard_edits, reason="goto").to_json()

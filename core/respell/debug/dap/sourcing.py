"""Requests about sources: which there are, what is in them, where a function begins."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from blake3 import blake3

from respell.debug.dap.messages import Arguments, Body, Code, Refused
from respell.debug.dap.shown import clean
from respell.debug.inspecting import Value
from respell.debug.sources import SourceText

if TYPE_CHECKING:
    from respell.debug.dap.session import DapSession

_PLACE = re.compile(r"function <(?P<source>.+):(?P<line>\d+)>")

MODULE_COLUMNS: tuple[Body, ...] = (
    {"attributeName": "hash", "label": "blake3", "type": "string"},
    {"attributeName": "event", "label": "Loaded by event", "type": "number"},
)
"""What is told of modules besides the protocol's own."""


def loaded_sources(session: DapSession, args: Arguments) -> Body:
    """Return the script and what it loaded, and those chunks that were asked for."""
    return {"sources": [session.sources.shown(one) for one in session.sources.all()]}


def modules(session: DapSession, args: Arguments) -> Body:
    """Return the files as modules, or a page of them."""
    first = args.integer("startModule", 0)
    count = args.integer("moduleCount", 0)
    found = [one for one in session.sources.all() if one.file is not None]
    page = found[first : first + count] if count else found[first:]
    return {"modules": [module_of(session, one) for one in page], "totalModules": len(found)}


def module_of(session: DapSession, source: SourceText) -> Body:
    """Return a file as a module."""
    assert source.file is not None
    return {
        "id": source.name, "name": clean(source.name), "path": session.who.path(source.file),
        "isUserCode": True, "hash": blake3(source.text).hexdigest(), "event": source.event,
        "symbolStatus": f"file: {session.sources.on_disk(source)}",
    }  # fmt: skip


def source(session: DapSession, args: Arguments) -> Body:
    """Return the text of a source as it was recorded."""
    given = args.object("source")
    if not given.given:
        given = Arguments(args.command, {"sourceReference": args.integer("sourceReference")})
    found = session.sources.meant(given)
    return {"content": found.text.decode(errors="replace"), "mimeType": "text/x-lua"}


def locations(session: DapSession, args: Arguments) -> Body:
    """Return where a function begins."""
    place = session.places.target(args.integer("locationReference"))
    if not isinstance(place, tuple):
        raise Refused("this number is none of a location", Code.ARGUMENTS)
    name, line = place
    return {
        "source": session.sources.source_of(name), "line": session.who.line(line),
        "column": session.who.column(),
    }  # fmt: skip


def function_place(session: DapSession, value: Value) -> int:
    """Return a number for the place where a function of the script begins; 0 for none."""
    match = _PLACE.fullmatch(value.text) if value.type == "function" else None
    if match is None or not session.sources.is_known(match["source"]):
        return 0
    place = (match["source"], int(match["line"]))
    return session.places.of_target(place)

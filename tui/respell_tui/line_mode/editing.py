"""Commands that make something different, and say what came of it."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from respell.debug import Stop
from respell.errors import UsageError
from respell_tui.context import json_option
from respell_tui.differences import show_difference
from respell_tui.line_mode.habits import NO_SETTINGS, SETTINGS
from respell_tui.line_mode.words import Answer, Word
from respell_tui.text import one_line

if TYPE_CHECKING:
    from respell_tui.line_mode.mode import LineMode


def _set(mode: LineMode, rest: str) -> Answer:
    word, _, more = rest.partition(" ")
    if word in ("var", "variable") and not more.lstrip().startswith("="):
        rest = more
    elif word in SETTINGS and "=" not in rest:
        raise UsageError(NO_SETTINGS)
    name, found, expression = rest.partition("=")
    if not found or not name.strip() or expression.startswith("="):
        raise UsageError("set takes NAME = EXPR, as in: set total = 5")
    stop = mode.debugger.set_variable(name.strip(), expression.strip(), mode.chosen)
    return _edited(mode, stop)


def _outcome(mode: LineMode, rest: str) -> Answer:
    """Carry out `outcome [EVENT] JSON` or `outcome [EVENT] error TEXT`."""
    first, _, more = rest.partition(" ")
    event = int(first) if first.isdigit() and more.strip() else None
    text = more.strip() if event is not None else rest
    if not text:
        raise UsageError(
            'outcome takes [EVENT] JSON, or [EVENT] error TEXT, as in: outcome 5 "yes"'
        )
    if text.startswith("error "):
        stop = mode.debugger.set_outcome(event=event, error=text.removeprefix("error ").strip())
    else:
        stop = mode.debugger.set_outcome(json_option(text, "outcome"), event=event)
    return _edited(mode, stop)


def _edit(mode: LineMode, rest: str) -> Answer:
    """Go on with another script: a file, or what is made of this one in the editor."""
    debugger = mode.debugger
    if rest:
        return _edited(mode, debugger.set_script(rest))
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor:
        raise UsageError("set EDITOR to edit the script here, or name a file: edit other.lua")
    with tempfile.TemporaryDirectory(prefix="respell-edit-") as folder:
        file = Path(folder) / Path(debugger.main_source).name
        file.write_bytes(debugger.program.source)
        try:
            code = subprocess.call([*shlex.split(editor), str(file)])
        except OSError as error:
            raise UsageError(f"can't start the editor {editor}: {error.strerror}") from None
        if code != 0:
            raise UsageError(f"the editor ended with {code}; the script is as it was")
        source = file.read_bytes()
    debugger.forget_cancel()  # a Ctrl-C in the editor was meant for that
    return _edited(mode, debugger.set_script(source))


def _edited(mode: LineMode, stop: Stop) -> Answer:
    mode.forget_sources()
    mode.places.forget()
    answer = mode.stopped(stop)
    run = mode.debugger.dry_run
    if run is not None and run.why == "given up":
        mode.line("    ", run.message)
    return {**answer, **_listed(mode)}


def _listed(mode: LineMode) -> Answer:
    run = mode.debugger.dry_run
    return {
        "edits": [one.to_json() for one in mode.debugger.edits],
        "ends": None if run is None else {"why": run.why, "message": run.message or None},
    }


def edits(mode: LineMode, _rest: str = "") -> Answer:
    """Say what is different in the dry run, and where it ends."""
    run = mode.debugger.dry_run
    if run is None:
        mode.line("nothing is different from what was recorded")
    else:
        for one in mode.debugger.edits:
            mode.line(one_line(one.describe()))
        mode.line(f"it ends: {run.why}", f" ({one_line(run.message)})" if run.message else "")
    return _listed(mode)


def _discard(mode: LineMode, _rest: str) -> Answer:
    return _edited(mode, mode.debugger.discard_edits())


def _fork(mode: LineMode, rest: str) -> Answer:
    made = mode.debugger.fork(rest, created_by="cli")
    mode.line(made.id)
    mode.line(f"it is suspended at {made.forked_at}; `respell resume {made.id[:8]}` runs it")
    return {"session": made.id, "name": made.name, "forked_at": made.forked_at}


def _diff(mode: LineMode, _rest: str) -> Answer:
    found = mode.debugger.compare()
    if not mode.is_json:
        show_difference(mode.out, found, "recorded", "dry run")
    run = mode.debugger.dry_run
    if run is not None and run.why not in ("recorded", "finished"):
        mode.line(mode.shortened(f"so far: the dry run ends where {run.message}"))
    session = mode.debugger.session.id
    return {"difference": found.to_json(session, session)}


WORDS = (
    Word(("set",), _set, "NAME = EXPR", "what if it were that: from here on a dry run", "value",
         again="never"),
    Word(("outcome",), _outcome, "[EVENT] JSON", "what if it had ended so; or with `error TEXT`",
         again="never"),
    Word(("edit",), _edit, "[FILE]", "go on with another script from here", "file",
         also=("ed",), again="never"),
    Word(("edits",), edits, "", "what is different, and where the dry run ends"),
    Word(("discard",), _discard, "", "back to what was recorded", again="never"),
    Word(("fork",), _fork, "[NAME]", "a new session that goes on from here", again="never"),
    Word(("diff",), _diff, "", "what the dry run did differently"),
)  # fmt: skip

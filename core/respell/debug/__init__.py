"""Time-travel debugging of any session that ever ran.

with Debugger.open(session, store=store) as debugger:
    debugger.end()
    debugger.step_back_over()
    print(debugger.stop, debugger.variables().locals, debugger.evaluate("total * 2"))
"""

from respell.debug.asynchronous import AsyncDebugger
from respell.debug.breakpoints import Breakpoint
from respell.debug.calls import Call
from respell.debug.changes import Change, Listed
from respell.debug.chunks import Chunk
from respell.debug.debugger import Debugger
from respell.debug.edits import Edit, OutcomeEdit, ScriptEdit, VariableEdit
from respell.debug.inspecting import (
    Coroutine,
    Evaluated,
    Frame,
    Value,
    Variable,
    Variables,
)
from respell.debug.live import Live
from respell.debug.origin import Origin, OriginArtifact, OriginStep
from respell.debug.position import Position
from respell.debug.sources import SourceText
from respell.debug.stops import DataChange, Log, Stop
from respell.debug.what_if import WhatIf
from respell.store.debugging import Bookmark

__all__ = [
    "AsyncDebugger",
    "Bookmark",
    "Breakpoint",
    "Call",
    "Change",
    "Chunk",
    "Coroutine",
    "DataChange",
    "Debugger",
    "Edit",
    "Evaluated",
    "Frame",
    "Listed",
    "Live",
    "Log",
    "Origin",
    "OriginArtifact",
    "OriginStep",
    "OutcomeEdit",
    "Position",
    "ScriptEdit",
    "SourceText",
    "Stop",
    "Value",
    "Variable",
    "VariableEdit",
    "Variables",
    "WhatIf",
]  # fmt: skip

"""The table of requests: who carries each out, what it needs, and what clients are told of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from respell.debug.dap.marks import FILTERS
from respell.debug.dap.messages import Arguments, Body
from respell.debug.dap.source_map import CHECKSUMS
from respell.debug.dap.sourcing import MODULE_COLUMNS

if TYPE_CHECKING:
    from respell.debug.dap.session import DapSession

Perform = Callable[["DapSession", Arguments], Body | None]


class Needs(Enum):
    """What has to be there for a request."""

    NOTHING = "nothing"
    CLIENT = "a client that said initialize"
    DEBUGGER = "a session that is open"


@dataclass(frozen=True, slots=True)
class Handler:
    """How a request is carried out.

    Attributes:
        where: Module and function.
        needs: What has to be there.
        capabilities: The keys of `initialize`'s answer that are true because of it.
    """

    where: str
    needs: Needs
    capabilities: tuple[str, ...] = ()

    @property
    def perform(self) -> Perform:
        """The function."""
        return _function(self.where)


@cache
def _function(where: str) -> Perform:
    module, _, name = where.partition(":")
    function: Perform = getattr(import_module(f"respell.debug.dap.{module}"), name)
    return function


def _on(where: str, *capabilities: str) -> Handler:
    return Handler(where, Needs.DEBUGGER, tuple(f"supports{one}" for one in capabilities))


OF_WHAT_RUNS = ("supportTerminateDebuggee", "supportSuspendDebuggee")
"""Capabilities that there are as long as a process runs what is debugged."""

REQUESTS: dict[str, Handler] = {
    "initialize": Handler("beginning:initialize", Needs.NOTHING),
    "launch": Handler("beginning:launch", Needs.CLIENT),
    "attach": Handler("beginning:attach", Needs.CLIENT),
    "disconnect": Handler("beginning:disconnect", Needs.NOTHING, OF_WHAT_RUNS),
    "cancel": Handler("beginning:cancel", Needs.CLIENT, ("supportsCancelRequest",)),
    "threads": Handler("looking:threads", Needs.CLIENT),
    "configurationDone": _on("beginning:configuration_done", "ConfigurationDoneRequest"),
    "restart": _on("beginning:restart", "RestartRequest"),
    "terminate": _on("beginning:terminate", "TerminateRequest"),
    # breakpoints
    "setBreakpoints": _on(
        "breaking:set_breakpoints",
        "ConditionalBreakpoints", "HitConditionalBreakpoints", "LogPoints",
    ),
    "setFunctionBreakpoints": _on("breaking:set_function_breakpoints", "FunctionBreakpoints"),
    "setExceptionBreakpoints": _on(
        "breaking:set_exception_breakpoints", "ExceptionFilterOptions"
    ),
    "dataBreakpointInfo": _on("breaking:data_breakpoint_info"),
    "setDataBreakpoints": _on("breaking:set_data_breakpoints", "DataBreakpoints"),
    "breakpointLocations": _on("breaking:breakpoint_locations", "BreakpointLocationsRequest"),
    # moves
    "continue": _on("moving:continue_"),
    "next": _on("moving:next_", "SteppingGranularity"),
    "stepIn": _on("moving:step_in"),
    "stepOut": _on("moving:step_out"),
    "stepBack": _on("moving:step_back", "StepBack"),
    "reverseContinue": _on("moving:reverse_continue"),
    "pause": _on("moving:pause"),
    "stepInTargets": _on("moving:step_in_targets", "StepInTargetsRequest"),
    "gotoTargets": _on("moving:goto_targets", "GotoTargetsRequest"),
    "goto": _on("moving:goto"),
    "restartFrame": _on("moving:restart_frame", "RestartFrame"),
    "terminateThreads": _on("moving:terminate_threads"),
    # looking
    "stackTrace": _on(
        "looking:stack_trace", "DelayedStackTraceLoading", "ValueFormattingOptions"
    ),
    "scopes": _on("looking:scopes"),
    "variables": _on("looking:variables"),
    "exceptionInfo": _on("looking:exception_info", "ExceptionInfoRequest"),
    "readMemory": _on("looking:read_memory", "ReadMemoryRequest"),
    "evaluate": _on("evaluating:evaluate", "EvaluateForHovers", "ClipboardContext"),
    "completions": _on("evaluating:completions", "CompletionsRequest"),
    "setVariable": _on("setting:set_variable", "SetVariable"),
    "setExpression": _on("setting:set_expression", "SetExpression"),
    # sources
    "loadedSources": _on("sourcing:loaded_sources", "LoadedSourcesRequest"),
    "modules": _on("sourcing:modules", "ModulesRequest"),
    "source": _on("sourcing:source"),
    "locations": _on("sourcing:locations"),
    # our own
    "respell/goTo": _on("travelling:go_to"),
    "respell/stepBackIn": _on("travelling:step_back_in"),
    "respell/stepBackOut": _on("travelling:step_back_out"),
    "respell/nextEvent": _on("travelling:next_event"),
    "respell/previousEvent": _on("travelling:previous_event"),
    "respell/timeline": _on("travelling:timeline"),
    "respell/lastChange": _on("travelling:last_change"),
    "respell/nextChange": _on("travelling:next_change"),
    "respell/origin": _on("travelling:origin"),
    "respell/values": _on("travelling:values"),
    "respell/hits": _on("travelling:hits"),
    "respell/discardEdits": _on("setting:discard_edits"),
    "respell/fork": _on("travelling:fork"),
    "respell/diff": _on("travelling:diff"),
    "respell/bookmarks": _on("travelling:bookmarks"),
    "respell/setBookmark": _on("travelling:set_bookmark"),
    "respell/deleteBookmark": _on("travelling:delete_bookmark"),
}  # fmt: skip
"""All requests that are carried out."""

MEANWHILE = frozenset({"threads", "loadedSources", "modules"})
"""Those that are answered while a move goes on: from what is known without the worker."""

NOT_POSSIBLE = (
    "supportsWriteMemoryRequest", "supportsDisassembleRequest", "supportsInstructionBreakpoints",
    "supportsTerminateThreadsRequest", "supportsSingleThreadExecutionRequests",
    "supportsDataBreakpointBytes", "supportsANSIStyling", "supportsExceptionOptions",

)  # fmt: skip
"""Capabilities that are false."""


def capabilities() -> Body:
    """Return what `initialize` answers."""
    found: Body = {key: True for handler in REQUESTS.values() for key in handler.capabilities}
    found |= dict.fromkeys(NOT_POSSIBLE, False)
    found |= {
        "exceptionBreakpointFilters": list(FILTERS),
        "completionTriggerCharacters": [".", ":"],
        "additionalModuleColumns": list(MODULE_COLUMNS),
        "supportedChecksumAlgorithms": list(CHECKSUMS),
    }
    return found

"""The points that hooks can be registered at: one table, for code and documentation alike.

A *before* point can change, replace or cancel what is about to happen, an *after* point what
came of it, an *error* point what a failure is handed on as. A *tell* point only tells: a
result that would change something is refused there.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

from respell.errors import UsageError

When = Literal["before", "after", "error", "tell"]
Kind = Literal[
    "tool", "agent", "workflow", "state", "session", "event", "artifact", "effect", "system",
    "custom",
]  # fmt: skip

CUSTOM = "custom:"


@dataclass(frozen=True, slots=True)
class Point:
    """One point.

    Attributes:
        name: Its name, e.g. `BeforeToolExecution`.
        when: `before`, `after`, `error` or `tell`.
        kind: The kind of component it is about.
        fired_by: What fires it, for people.
        spellings: Other names it answers to, besides its form with underscores.
        in_python: Hooks written in Python can be registered at it; others are fired in the
            script's own process only.
    """

    name: str
    when: When
    kind: Kind
    fired_by: str
    spellings: tuple[str, ...] = ()
    in_python: bool = True

    def names(self) -> tuple[str, ...]:
        """Return everything it can be called, its name first."""
        return tuple(dict.fromkeys((self.name, _underscored(self.name), *self.spellings)))


def _underscored(name: str) -> str:
    return name if ":" in name else re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _pair(
    kind: Kind, subject: str, verb: str, what: str, *, family: str | None = None,
    in_python: bool = True,
) -> tuple[Point, Point]:  # fmt: skip
    """Return the points before and after something, e.g. `BeforeStateRead` and its twin."""
    spelling = f"{family or kind}:{{}}_{verb.lower()}"
    return tuple(  # type: ignore[return-value]
        Point(
            f"{when.capitalize()}{subject}{verb}", when, kind, f"{when} {what}",
            (spelling.format(when),), in_python,
        )
        for when in ("before", "after")
    )  # fmt: skip


_TABLE: tuple[Point, ...] = (
    Point(
        "ToolValidation", "tell", "tool",
        "the parameters of a call of a tool were found to be right", ("tool:validation",),
    ),
    *_pair("tool", "Tool", "Discovery", "`Tool.list` or `Tool.get` is answered"),
    *_pair("tool", "Tool", "Execution", "a tool is called"),
    Point("ToolError", "error", "tool", "a call of a tool failed", ("tool:error",)),
    *_pair("agent", "Agent", "Init", "an agent is made"),
    *_pair("agent", "Agent", "Execution", "a model is asked: each request of an agent"),
    Point("AgentError", "error", "agent", "a request to a model failed", ("agent:error",)),
    *_pair("agent", "Agent", "Shutdown", "an agent is destroyed", in_python=False),
    Point(
        "BeforeWorkflowStart", "before", "workflow", "before a workflow begins",
        ("workflow:before_start",), False,
    ),
    Point(
        "WorkflowStageTransition", "tell", "workflow", "a workflow goes on to its next stage",
        ("workflow:stage_transition",), False,
    ),
    *_pair("workflow", "Workflow", "Stage", "a stage of a workflow", in_python=False),
    Point(
        "AfterWorkflowComplete", "after", "workflow", "after a workflow has ended well",
        ("workflow:after_complete",), False,
    ),
    Point(
        "WorkflowError", "error", "workflow", "a workflow failed", ("workflow:error",), False
    ),
    *_pair("state", "State", "Read", "state is read: `State.get`, `State.list`"),
    *_pair("state", "State", "Write", "state is written: `State.set`, `State.delete`"),
    Point(
        "SessionStart", "before", "session", "a session is about to be created",
        ("session:start", "session:create"),
    ),
    Point(
        "SessionCheckpoint", "before", "session", "a session is about to be suspended",
        ("session:suspend", "session:checkpoint"),
    ),
    Point(
        "SessionRestore", "before", "session", "a session is about to be resumed",
        ("session:resume", "session:restore"),
    ),
    Point(
        "SessionEnd", "before", "session", "a session is about to be completed, or to fail",
        ("session:end", "session:complete"),
    ),
    Point("SessionSave", "before", "session", "a session is about to be saved", ("session:save",)),
    Point(
        "SessionArchive", "before", "session", "a session is about to be archived",
        ("session:archive",),
    ),
    Point(
        "SessionDelete", "before", "session", "a session is about to be deleted",
        ("session:delete",),
    ),
    Point(
        "artifact:before_create", "before", "artifact", "before an artifact is stored or derived",
        ("before_artifact_create", "BeforeArtifactCreate"),
    ),
    Point(
        "artifact:after_create", "after", "artifact", "after an artifact was stored or derived",
        ("after_artifact_create", "AfterArtifactCreate"),
    ),
    Point(
        "artifact:accessed", "after", "artifact", "after an artifact or its content was read",
        ("artifact_accessed", "ArtifactAccessed"),
    ),
    Point(
        "artifact:before_delete", "before", "artifact", "before an artifact is deleted",
        ("before_artifact_delete", "BeforeArtifactDelete"),
    ),
    Point(
        "artifact:after_delete", "after", "artifact", "after an artifact was deleted",
        ("after_artifact_delete", "AfterArtifactDelete"),
    ),
    *_pair("event", "Event", "Emit", "an event is published"),
    *(
        Point(
            f"{when.capitalize()}Effect", when, "effect",
            f"{when} any effect that the host performs, outside of its own points",
            (f"effect:{when}",),
        )
        for when in ("before", "after")
    ),
    Point("EffectError", "error", "effect", "any effect that the host performs failed",
          ("effect:error",)),
    Point("SystemStartup", "tell", "system", "a host begins to run a session",
          ("system:startup",)),
    Point("SystemShutdown", "tell", "system", "a host has ended its run of a session",
          ("system:shutdown",)),
    Point("ConfigurationChange", "tell", "system", "a setting was written to `respell.toml`",
          ("system:configuration_change",)),
    Point("ResourceLimitExceeded", "tell", "system", "a limit of a session was reached",
          ("system:resource_limit_exceeded",)),
    Point("SecurityViolation", "tell", "system", "a script was refused what it may not do",
          ("system:security_violation",)),
    Point("PerformanceThresholdExceeded", "tell", "system",
          "a limit is near: an alert, a warning, or an effect that a rate makes wait",
          ("system:performance_threshold_exceeded",)),
)  # fmt: skip

POINTS: dict[str, Point] = {point.name: point for point in _TABLE}
"""All points by name; any name that begins with `custom:` is one too."""

NEVER_FIRED = {
    "WorkflowCheckpoint": "a workflow is resumed from its session's history, not from checkpoints",
    "WorkflowRollback": "what a workflow did is not rolled back",
    "StateConflict": "writes to the state are one after the other, so none conflicts",
    "EventHandlerError": "events are received, not handled by functions, so none fails",
    "StateMigration": "the state has no migrations",
    "MemoryUsageHigh": "memory has a limit; ResourceLimitExceeded tells of it",
    "CpuUsageHigh": "a session has a limit of time; ResourceLimitExceeded tells of it",
}
"""Points of v0.6.0 that nothing fires here, and why."""

Around = tuple[str, str, str]
"""Names of the points before an effect, after it, and where it failed; empty for none."""

_TOOL_DISCOVERY = ("BeforeToolDiscovery", "AfterToolDiscovery", "")
_STATE_READ = ("BeforeStateRead", "AfterStateRead", "")
_STATE_WRITE = ("BeforeStateWrite", "AfterStateWrite", "")
_ARTIFACT_CREATE = ("artifact:before_create", "artifact:after_create", "")
_ARTIFACT_ACCESS = ("", "artifact:accessed", "")

EFFECTS: dict[str, Around] = {
    "tool.invoke": ("BeforeToolExecution", "AfterToolExecution", "ToolError"),
    "tool.list": _TOOL_DISCOVERY,
    "tool.get": _TOOL_DISCOVERY,
    "agent.create": ("BeforeAgentInit", "AfterAgentInit", ""),
    "agent.request": ("BeforeAgentExecution", "AfterAgentExecution", "AgentError"),
    "state.get": _STATE_READ,
    "state.list": _STATE_READ,
    "state.set": _STATE_WRITE,
    "state.delete": _STATE_WRITE,
    "event.publish": ("BeforeEventEmit", "AfterEventEmit", ""),
    "artifact.store": _ARTIFACT_CREATE,
    "artifact.derive": _ARTIFACT_CREATE,
    "artifact.get": _ARTIFACT_ACCESS,
    "artifact.get_content": _ARTIFACT_ACCESS,
    "artifact.delete": ("artifact:before_delete", "artifact:after_delete", ""),
    "session.create": ("SessionStart", "", ""),
    "session.suspend": ("SessionCheckpoint", "", ""),
    "session.suspend_other": ("SessionCheckpoint", "", ""),
    "session.resume": ("SessionRestore", "", ""),
    "session.save": ("SessionSave", "", ""),
    "session.complete": ("SessionEnd", "", ""),
    "session.fail": ("SessionEnd", "", ""),
    "session.archive": ("SessionArchive", "", ""),
    "session.delete": ("SessionDelete", "", ""),
}
"""The points around each effect; around every effect there are `ANY_EFFECT` besides."""

ANY_EFFECT: Around = ("BeforeEffect", "AfterEffect", "EffectError")

UNHOOKED = frozenset(("agent.chunks",))
"""Effects that are parts of another one, around which its points are."""


@cache
def _by_spelling() -> dict[str, Point]:
    return {name: point for point in _TABLE for name in point.names()}


def find(name: str) -> Point:
    """Return a point by any of its names.

    Raises:
        UsageError: There is none, or nothing fires it; names the nearest.
    """
    found = _by_spelling().get(name)
    if found is not None:
        return found
    if name.startswith(CUSTOM) and len(name) > len(CUSTOM):
        return Point(name, "tell", "custom", f'`respell.hooks.trigger("{name}", …)`')
    for never, why in NEVER_FIRED.items():
        if name in (never, _underscored(never)):
            raise UsageError(f"nothing fires the hook point {never}: {why}")
    near = difflib.get_close_matches(name, _by_spelling(), n=1)
    hint = f"did you mean {near[0]}? There" if near else "there"
    raise UsageError(
        f"there is no hook point {name!r:.80}; {hint} are {', '.join(POINTS)}, and custom:NAME"
    )


def find_for_python(name: str) -> Point:
    """Return a point at which hooks written in Python can be.

    Raises:
        UsageError: There is none, or it is fired in the script's process only.
    """
    point = find(name)
    if not point.in_python:
        raise UsageError(
            f"the hook point {point.name} is fired in the script's own process, where no Python "
            f'runs; the script registers for it with Hook.register("{point.name}", …)'
        )
    return point

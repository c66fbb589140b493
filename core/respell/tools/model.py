"""What a tool is, and what it may use while it is called."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from respell.config import Config, default
from respell.effect import Kind, Manner
from respell.errors import EffectFailed
from respell.security import Permissions

ONCE = Manner(Kind.EXTERNAL)
"""Seen outside, and not to be repeated without asking: what a tool is unless it says so."""

REPEATABLE = Manner(Kind.EXTERNAL, idempotent=True)
"""Seen outside; twice is the same as once."""

READS = Manner(Kind.READ)
"""Changes nothing outside."""


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What a tool may use. A Python tool gets it by a parameter with this annotation.

    Attributes:
        session_id: Id of the session whose script calls the tool.
        permissions: What the script may do; a tool that opens files or connects asks it.
        script_dir: Folder of the script.
        cwd: Relative paths start here.
        cancel: Set when the call should end early; its result is then no longer wanted.
        number: Number of the event that this call is.
        config: The configuration, with what tools may use at most.
    """

    session_id: str
    permissions: Permissions
    script_dir: Path
    cwd: Path
    cancel: threading.Event = field(default_factory=threading.Event)
    number: int = 0
    config: Config = field(default_factory=default)

    def check_cancelled(self) -> None:
        """Leave the tool if its result is no longer wanted; to be called in long loops.

        Raises:
            EffectFailed: It is not.
        """
        if self.cancel.is_set():
            raise EffectFailed("the call was cancelled")


Performer = Callable[[dict[str, Any], ToolContext], Any]
Decider = Callable[[dict[str, Any]], Manner]


def once(params: dict[str, Any]) -> Manner:
    """Decide that a call must never be repeated without asking."""
    return ONCE


def repeatable(params: dict[str, Any]) -> Manner:
    """Decide that a call may be repeated."""
    return REPEATABLE


def reads(params: dict[str, Any]) -> Manner:
    """Decide that a call changes nothing outside."""
    return READS


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool.

    Attributes:
        name: What scripts call it.
        description: For people and models.
        parameters: JSON Schema (2020-12) of an object.
        perform: Takes the checked parameters and the context; returns a plain value or a
            `ToolResult`, or raises.
        decide: Takes the parameters, which may be wrong still, and returns what has to be
            committed when.
        category: e.g. `utility`, `data`, `filesystem`, `system`, `api`, `custom`.
        tags: To find it by.
        version: Of the tool.
        aliases: Other names of parameters, as v0.6.0's examples use them.
        ignored: Parameters that are accepted and mean nothing, as v0.6.0 did.
        measured: Fields of its results, at any depth, that are measured times: two sessions do
            not differ by them.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    perform: Performer
    decide: Decider = once
    category: str = "custom"
    tags: tuple[str, ...] = ()
    version: str = "1.0.0"
    aliases: Mapping[str, str] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()
    measured: tuple[str, ...] = ()

"""What one run performs effects with, put together by whoever begins it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from respell.artifacts.collector import Collection
from respell.config import Config, default
from respell.engine.channel import OnProgress
from respell.engine.ledger import OnOutput
from respell.engine.policing import OnAlert
from respell.hooks.registry import HookRegistry
from respell.policies.deciding import Settled
from respell.security import Ask
from respell.store.leases import Hold
from respell.tools import ToolRegistry


@dataclass(slots=True)
class Services:
    """What a host performs effects with.

    Attributes:
        tools: The tools scripts can call.
        on_output: Called with an output event's name and bytes, once committed.
        stdin: What `io.read` reads, a binary file, or None.
        aliases: Ids of sessions that mean others here (see `respell.engine.fork`).
        edits: Variables that a fork sets at positions (likewise).
        on_progress: Called while the history is re-executed.
        collection: Which outcomes become artifacts by themselves.
        ask: Asks a person before something is refused that could be allowed.
        config: The configuration of this process.
        hooks: The hooks written in Python.
        policies: What decides whether effects are performed; None for what is registered.
        on_alert: Is told what is to be known before a limit is reached.
        hold: A debugger's hold that the run begins with; None for none.
        launched_by: The debugger that it goes with: without it, the session is suspended.
    """

    tools: ToolRegistry
    on_output: OnOutput | None = None
    stdin: Any = None
    aliases: dict[str, str] = field(default_factory=dict)
    edits: list[dict[str, Any]] = field(default_factory=list)
    on_progress: OnProgress | None = None
    collection: Collection = field(default_factory=Collection)
    ask: Ask | None = None
    config: Config = field(default_factory=default)
    hooks: HookRegistry = field(default_factory=HookRegistry)
    policies: Settled | None = None
    on_alert: OnAlert | None = None
    hold: Hold | None = None
    launched_by: Hold | None = None

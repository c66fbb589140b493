"""Effects, host side: what a script can cause, and who performs it.

A performer is a function with `@effect(name, kind=…)` in a module of this package. Modules
are imported when the first effect of their family (`file` in `file.open`) is looked up.
"""

from __future__ import annotations

import importlib
import importlib.util
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from respell.config import Config, default
from respell.effect import Kind, Manner, check_performed
from respell.engine.accesses import Accesses
from respell.errors import UsageError

if TYPE_CHECKING:
    from respell.agents.streams import Streams
    from respell.security import Permissions
    from respell.sessions.record import SessionRecord
    from respell.store import Store
    from respell.tools.registry import ToolRegistry


@dataclass(slots=True)
class EffectContext:
    """What a performer may use. The host makes one for each effect.

    Attributes:
        session: The running program's session.
        store: The store the session lives in.
        permissions: What the script may do outside the store.
        script_dir: Folder of the script; modules are looked for there.
        cwd: Relative paths start here.
        tools: The tools the script can call.
        number: The effect's event number.
        stdin: What `io.read` reads; None where there is nothing to read.
        aliases: In a fork, which sessions the ids of its original and of the sessions that
            one created mean here; empty elsewhere.
        config: The configuration of the process that performs it.
        again: A fork does on its copies what its original did; limits were asked there.
        before: While a fork does again on its copies what its original did: what the effect
            came to there.
        parent: Number of the event that this effect is inside of; 0 for none.
        attempt: The how-manieth time that this effect is performed, from 1.
        streams: Answers of models that come in pieces; None where none can come.
        accesses: Notes what is done by grants.
        checked: The arguments that were found to be right when it was decided how they are
            performed, so that a check need not look again; None for none.
    """

    session: SessionRecord
    store: Store
    permissions: Permissions
    script_dir: Path
    cwd: Path
    tools: ToolRegistry
    number: int = 0
    stdin: BinaryIO | None = None
    aliases: dict[str, str] = field(default_factory=dict)
    again: bool = False
    before: Any = None
    config: Config = field(default_factory=default)
    parent: int = 0
    attempt: int = 1
    streams: Streams | None = None
    accesses: Accesses = field(default_factory=Accesses)
    checked: dict[str, Any] | None = None
    _cancel: threading.Event | None = None

    @property
    def cancel(self) -> threading.Event:
        """Set when the effect should end early; performers that wait must watch it."""
        if self._cancel is None:  # most never ask for it, and it takes longer than all the rest
            self._cancel = threading.Event()
        return self._cancel


Performer = Callable[[EffectContext, dict[str, Any]], Any]
Decider = Callable[[EffectContext, dict[str, Any]], Manner]
Preparer = Callable[[EffectContext, dict[str, Any]], None]
_P = TypeVar("_P", bound=Performer)


@dataclass(frozen=True, slots=True)
class Effect:
    """A registered effect.

    Attributes:
        name: e.g. `file.open`.
        perform: Takes (context, named arguments); returns the outcome's value, or raises a
            `RespellError` whose text the script sees.
        decide: Returns how a call with these arguments is performed.
        quick: It takes no longer than a write to the disk, so the host performs it itself
            instead of in a thread.
        prepare: Called by the host before a thread begins to perform it, or before the
            transaction of a STORED one; None for nothing.
        check: Raises what a call would be refused for, before hooks are asked about it; None
            where that is found out by trying (STORED), or can't be known before.
    """

    name: str
    perform: Performer
    decide: Decider
    quick: bool = False
    prepare: Preparer | None = None
    check: Preparer | None = None

    def manner(self, ctx: EffectContext, args: dict[str, Any]) -> Manner:
        """Return how a call with these arguments is performed; performs nothing."""
        return self.decide(ctx, args)


_effects: dict[str, Effect] = {}

# Modules that are not called like their family.
_MODULES = {
    "agent": "agents",
    "artifact": "artifacts",
    "env": "environment",
    "event": "events",
    "file": "files",
    "input": "environment",
    "module": "modules",
    "process": "processes",
    "session": "sessions",
    "tool": "tools",
}


def effect(
    name: str,
    *,
    kind: Kind | Decider,
    idempotent: bool = False,
    quick: bool = False,
    prepare: Preparer | None = None,
    check: Preparer | None = None,
) -> Callable[[_P], _P]:
    """Register a performer.

    Args:
        name: The effect's name, `family.verb`.
        kind: Its kind, or a function (context, args) -> Manner where that depends on the
            arguments.
        idempotent: Performing it twice is the same as once (for a fixed kind).
        quick: It takes no longer than a write to the disk.
        prepare: What the host does before a thread begins to perform it, or before the
            transaction of a STORED one.
        check: Raises what a call would be refused for, before hooks are asked about it.

    Raises:
        UsageError: Another performer has that name.
    """
    decide = _always(Manner(kind, idempotent)) if isinstance(kind, Kind) else kind

    def register(perform: _P) -> _P:
        if name in _effects:
            raise UsageError(f"the effect {name} is registered twice")
        _effects[name] = Effect(name, perform, decide, quick, prepare, check)
        return perform

    return register


def lookup(name: str) -> Effect:
    """Return the effect of this name.

    Raises:
        EffectFailed: There is none; names the nearest one.
    """
    found = _effects.get(name)
    if found is None:
        _load(name.partition(".")[0])
        found = _effects.get(name)
    if found is None:
        check_performed(name)
        raise UsageError(f"nothing performs the effect {name}")
    return found


def _always(manner: Manner) -> Decider:
    def decide(ctx: EffectContext, args: dict[str, Any]) -> Manner:
        return manner

    return decide


def _load(family: str) -> None:
    """Import the module of a family, if there is one."""
    # The name comes from the worker, which is not trusted.
    if not (family.isascii() and family.isidentifier()) or family.startswith("_"):
        return
    module = f"{__name__}.{_MODULES.get(family, family)}"
    if importlib.util.find_spec(module) is not None:
        importlib.import_module(module)

"""Every error Respell raises.

    RespellError(Exception)
    ├── UsageError(ValueError)            wrong argument, option or combination
    │   └── ConfigError                   respell.toml, with file and line
    ├── NotFound(KeyError)                no session, artifact or event has that name
    │   ├── SessionNotFound
    │   ├── ArtifactNotFound
    │   ├── EventNotFound
    │   └── SubscriptionNotFound
    ├── InvalidTransition(ValueError)     e.g. archiving a session that is active
    ├── PermissionDenied(PermissionError) the session may not; names the flag that allows it
    ├── ScriptError                       the Lua script failed: message and traceback
    ├── EffectFailed                      one effect failed; crosses into Lua as an error
    │   └── HookCancelled                 a hook did not let it happen; names hook and reason
    ├── LimitReached                      a limit stopped the session
    ├── Divergence                        re-execution asked for something else than was recorded
    ├── InDoubt                           effects begun and not known to have ended
    ├── WorkerFailed                      the sandboxed Lua process could not start or broke off
    └── StoreError
        ├── SessionBusy                   another host holds the session
        ├── LeaseLost                     this host was replaced; it may not append
        ├── StoreBusy                     the store's writer lock was not free in time
        ├── StoreFull(OSError)            no space left
        ├── StoreMissing                  no store where one was looked for
        ├── StoreCorrupt                  a hash, a row or a file is not what was written
        └── StoreTooNew                   written by a newer Respell

One `except RespellError` catches all of them. Every message says what happened, where,
and what to do next; the fields carry the same for programs. `exit_code` is what the
command line ends with when the error reaches it.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing's own would be imported by every worker, for nothing
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, ClassVar


class RespellError(Exception):
    """Base of every error raised on purpose by this library."""

    exit_code: ClassVar[int] = 2


class UsageError(RespellError, ValueError):
    """An argument, an option or a combination of them makes no sense."""


class ConfigError(UsageError):
    """A setting is wrong; the message names file, line and the nearest valid key.

    Attributes:
        problems: All that is wrong, a sentence each.
    """

    def __init__(self, message: str, *, problems: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems) or (message,)


class NotFound(RespellError, KeyError):
    """Nothing in the store answers to this name."""

    def __str__(self) -> str:
        # KeyError shows repr(args[0]); a sentence should read as one.
        return str(self.args[0]) if self.args else ""


class SessionNotFound(NotFound):
    """No session has this id, prefix or name."""


class ArtifactNotFound(NotFound):
    """No artifact has this id."""


class SubscriptionNotFound(NotFound):
    """Nobody has subscribed to events under that name."""


class EventNotFound(NotFound):
    """The history has no event of this number."""


class InvalidTransition(RespellError, ValueError):
    """The session's status does not allow this; nothing was changed.

    Attributes:
        current: The status it has.
        wanted: The status that was asked for.
    """

    def __init__(self, message: str, *, current: str, wanted: str) -> None:
        super().__init__(message)
        self.current = current
        self.wanted = wanted


class PermissionDenied(RespellError, PermissionError):
    """The session may not do this; the message names the flag that allows it.

    Attributes:
        flag: What `--allow` takes to allow it, e.g. `read=/etc`; empty where nothing does.
        about: Id of the session whose thing it is; empty where it is nobody's.
        actor: Id of the session that asked; empty for the one that runs.
        target: What it would have been done to, as people call it; may be empty.
    """

    def __init__(
        self, message: str, *, flag: str = "", about: str = "", actor: str = "", target: str = ""
    ) -> None:
        super().__init__(message)
        self.flag = flag
        self.about = about
        self.actor = actor
        self.target = target


class ScriptError(RespellError):
    """The Lua script ended with an error.

    Attributes:
        message: The Lua error as text.
        traceback: The Lua traceback, script frames only.
        event: Number of the last event before the error.
    """

    exit_code = 1

    def __init__(self, message: str, *, traceback: str = "", event: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.traceback = traceback
        self.event = event


class EffectFailed(RespellError):
    """An effect could not be performed; the script sees the text as a Lua error."""

    exit_code = 1


class LimitExceeded(EffectFailed):
    """A limit of a session without program does not let an effect change it."""


class HookCancelled(EffectFailed):
    """A hook did not let something happen, or its outcome through.

    Attributes:
        hook: The hook's name.
        reason: Why, as the hook says.
    """

    def __init__(self, hook: str, reason: str) -> None:
        super().__init__(f"cancelled by {hook}: {reason}")
        self.hook = hook
        self.reason = reason


class LimitReached(RespellError):
    """A limit stopped the session.

    Attributes:
        limit: Name of the limit, e.g. `operations`.
        event: Number of the last event before the stop.
    """

    exit_code = 5

    def __init__(self, message: str, *, limit: str, event: int | None = None) -> None:
        super().__init__(message)
        self.limit = limit
        self.event = event


class Divergence(RespellError):
    """Re-execution asked for something else than what was recorded.

    Attributes:
        report: event, source, line, expected, found, diff (see `respell replay --json`).
    """

    exit_code = 4

    def __init__(self, message: str, *, report: dict[str, Any]) -> None:
        super().__init__(message)
        self.report = report


class InDoubt(RespellError):
    """Effects were begun by a host that died before their outcome was known.

    Attributes:
        effects: One dict each with number, name and args.
    """

    exit_code = 3

    def __init__(self, message: str, *, effects: list[dict[str, Any]]) -> None:
        super().__init__(message)
        self.effects = effects


class WorkerFailed(RespellError):
    """The sandboxed Lua process could not start, or broke off by itself."""

    exit_code = 1


class StoreError(RespellError):
    """The store can't do what was asked."""

    exit_code = 6


class SessionBusy(StoreError):
    """Another host holds this session.

    Attributes:
        holder: pid, host name and start time of the holder, as shown to people.
    """

    def __init__(self, message: str, *, holder: str) -> None:
        super().__init__(message)
        self.holder = holder


class LeaseLost(StoreError):
    """Another host took this session over; nothing more may be appended from here."""


class StoreBusy(StoreError):
    """The store's writer lock was not free in time."""


class StoreFull(StoreError, OSError):
    """There is no space left where the store lives."""


class StoreMissing(StoreError):
    """There is no store where one was looked for."""

    exit_code = 2


class StoreCorrupt(StoreError):
    """A hash, a row or a file of the store is not what was written."""


class StoreTooNew(StoreError):
    """The store was written by a newer Respell; it is left untouched."""

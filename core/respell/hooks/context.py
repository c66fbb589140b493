"""What a hook is told: at which point it runs, for whom, and about what."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from respell import values
from respell.times import rfc3339

if TYPE_CHECKING:
    from respell.sessions.session import Session
    from respell.store import Store


class About:
    """What all hooks of one chain are told alike.

    Attributes:
        session_id: Id of the session that it is about; empty for none.
        kind: The kind of component.
        effect: Name of the effect, e.g. `tool.invoke`, or of the operation.
        event: Number of the effect's event; 0 for none.
        at: When it began, µs since 1970 UTC.
        arguments: Canonical arguments of the effect, as it is performed.
        store: Where the session is; None where there is none.
    """

    __slots__ = (
        "_component", "arguments", "at", "effect", "event", "kind", "session_id", "store",
    )  # fmt: skip

    def __init__(
        self, *, session_id: str = "", component: str | Callable[[], str] = "",
        kind: str = "custom", effect: str = "", event: int = 0, at: int = 0,
        arguments: bytes = b"", store: Store | None = None,
    ) -> None:  # fmt: skip
        self.session_id = session_id
        self._component = component
        self.kind = kind
        self.effect = effect
        self.event = event
        self.at = at
        self.arguments = arguments
        self.store = store

    @property
    def component(self) -> str:
        """Name of the tool, agent, session and so on that it is about."""
        if not isinstance(self._component, str):
            self._component = self._component()
        return self._component


_UNREAD = object()


def _nobody_asks(step: str) -> None:
    """Do nothing: most hooks have no steps."""


class HookContext:
    """What a hook gets. What it changes in `data` counts only if it returns it.

    Attributes:
        point: Name of the point.
        attempt: The how-manieth time that this is tried, from 1.
    """

    __slots__ = ("_about", "_data", "_told", "attempt", "begin_step", "point")

    language = "python"

    def __init__(self, point: str, about: About, data: bytes, attempt: int = 1) -> None:
        self.point = point
        self.attempt = attempt
        self._about = about
        self._told = data
        self._data: Any = _UNREAD
        # Called by a hook of several steps with the name of each; none takes longer than it may.
        self.begin_step: Callable[[str], None] = _nobody_asks

    def with_data(self, data: Any) -> HookContext:
        """Return one like it that is told other data, as a copy of its own."""
        return self._like(values.encode(data))

    def copy(self) -> HookContext:
        """Return one like it that is told the same, and shares nothing that could be changed."""
        return self._like(self._told)

    def _like(self, told: bytes) -> HookContext:
        like = HookContext(self.point, self._about, told, self.attempt)
        like.begin_step = self.begin_step
        return like

    @property
    def told(self) -> bytes:
        """What it is told, canonical, whatever was made of `data` since."""
        return self._told

    @property
    def has_changed_data(self) -> bool:
        """Whether `data` is something else by now than what it was told.

        Raises:
            UsageError: It is something that has no Lua counterpart.
        """
        if self._data is _UNREAD:
            return False
        now = values.encode(self._data)
        # What a worker sends may say the same in other bytes.
        return now != self._told and now != values.encode(values.decode(self._told))

    @property
    def data(self) -> Any:
        """The arguments at a before-point, the outcome at an after-point; this hook's own copy.

        At an error-point: `error`, its text, and `class`, the name of its class.
        """
        if self._data is _UNREAD:
            self._data = values.decode(self._told)
        return self._data

    @property
    def session_id(self) -> str:
        """Id of the session that it is about; empty for none."""
        return self._about.session_id

    correlation_id = session_id

    @property
    def component(self) -> str:
        """Name of the tool, agent, session and so on that it is about."""
        return self._about.component

    @property
    def component_id(self) -> dict[str, str]:
        """The component's `type` and `name`."""
        return {"type": self._about.kind, "name": self._about.component}

    @property
    def effect(self) -> str:
        """Name of the effect, e.g. `tool.invoke`, or of the operation, e.g. `session.archive`."""
        return self._about.effect

    @property
    def event(self) -> int:
        """Number of the effect's event in the session's history; 0 for none."""
        return self._about.event

    @property
    def timestamp(self) -> str:
        """When the effect began, RFC 3339 in UTC."""
        return rfc3339(self._about.at)

    @property
    def arguments(self) -> Any:
        """The arguments of the effect, as it is (or was) performed; this hook's own copy."""
        return values.decode(self._about.arguments)

    @property
    def metadata(self) -> dict[str, Any]:
        """What else is known: `event`, `effect` and `attempt`."""
        about = self._about
        return {"event": about.event, "effect": about.effect, "attempt": self.attempt}

    @property
    def session(self) -> Session | None:
        """The session that it is about, if it is there."""
        about = self._about
        if about.store is None or not about.session_id:
            return None
        from respell.errors import SessionNotFound
        from respell.sessions.session import Session

        try:
            return Session(about.store, about.session_id)
        except SessionNotFound:
            return None

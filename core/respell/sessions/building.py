"""The fluent form of making a session without program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from respell.sessions.agreeing import agree_to_start
from respell.sessions.creating import plain, record_of
from respell.sessions.current import acting
from respell.sessions.record import SessionRecord
from respell.store import Store

if TYPE_CHECKING:
    from respell.sessions.session import Session


def create(store: Store, options: Mapping[str, Any]) -> Session:
    """Make a session without program.

    Args:
        store: Where it shall live.
        options: By the names of `respell.create`; None where nothing was given.

    Raises:
        UsageError: An option is wrong; says what is allowed.
        SessionNotFound: There is no such parent.
        HookCancelled: A hook does not let it be created; nothing was.
    """
    from respell.sessions.session import Session

    call = "respell.create"
    given = {name: value for name, value in options.items() if value is not None}
    parent = given.pop("parent", None)
    if isinstance(parent, Session | SessionRecord):
        parent = store.sessions.get(parent.id).id
    elif parent is not None:
        parent = store.sessions.find(parent).id
    for name in ("tags", "metadata", "limits"):
        given[name] = plain(given.get(name))
    if "rate" in given:
        given["rate"] = plain(given["rate"])
    creator = given.pop("created_by", "python")
    record = record_of(call, given, creator=creator, parent=parent)
    record, agreed = agree_to_start(
        store, record, possible=lambda: store.sessions.insert(record)
    )  # fmt: skip
    here = acting()
    by = "python" if here is None else here.session_id
    with store.transaction():
        made = store.sessions.insert(record)
        store.audit.note("session.create", session=made.id, actor=by, target=made.name)
        if agreed.calls:
            lease = store.leases.acquire(made.key)
            store.history.writer(made.key, lease).append(agreed.records(0))
            store.leases.release(made.key, lease)
    store.sync()
    return Session(store, made)


class SessionBuilder:
    """Gathers what a new session without program shall be like; `build` makes it.

    Each method returns the builder, so that calls can be chained:

        respell.builder(store=store).name("research").tag("weekly").max_duration(3600).build()
    """

    def __init__(self, store: Store) -> None:
        """Made by `respell.builder`."""
        self._store = store
        self._options: dict[str, Any] = {}

    def name(self, name: str) -> Self:
        """Set what people call it."""
        return self._set("name", name)

    def description(self, text: str) -> Self:
        """Set a free text."""
        return self._set("description", text)

    def tag(self, *tags: str) -> Self:
        """Add tags."""
        return self._set("tags", [*self._options.get("tags", ()), *tags])

    def metadata(self, **fields: Any) -> Self:
        """Add fields of the user's own."""
        return self._set("metadata", {**self._options.get("metadata", {}), **fields})

    def parent(self, session: Session | SessionRecord | str) -> Self:
        """Set the session that it belongs below."""
        return self._set("parent", session)

    def max_duration(self, seconds: float) -> Self:
        """Set for how many seconds it may be active."""
        return self._set("max_duration", seconds)

    def max_idle_time(self, seconds: float) -> Self:
        """Set for how many seconds it may do nothing."""
        return self._set("max_idle_time", seconds)

    def limit(self, name: str, value: float) -> Self:
        """Set one limit.

        Args:
            name: operations, tokens, cost_usd, artifacts, artifact_bytes, …
            value: The most there may be; sizes in bytes, times in seconds.
        """
        return self._set("limits", {**self._options.get("limits", {}), name: value})

    def rate(self, rate: float | str, of: str = "all") -> Self:
        """Set how often it may be changed.

        Args:
            rate: A number a minute, or a text such as `5/s`.
            of: The effect that is meant, e.g. `state.set`; `all` for every change.
        """
        return self._set("rate", {**self._options.get("rate", {}), of: rate})

    def created_by(self, who: str) -> Self:
        """Set who creates it, as shown to people; `python` if not given."""
        return self._set("created_by", who)

    def build(self) -> Session:
        """Make the session; may be called again to make another.

        Raises:
            UsageError: Something that was set is wrong; says what is allowed.
            SessionNotFound: There is no such parent.
        """
        return create(self._store, self._options)

    def _set(self, option: str, value: Any) -> Self:
        self._options[option] = value
        return self

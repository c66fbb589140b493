"""Storing and deleting artifacts: the rules, once for scripts, Python and the terminal.

`store_artifact`, `store_file`, `derive` and `delete` return when what they did is durable.
`add` and `remove` don't wait for the disk: they are for use inside of a transaction.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypedDict, Unpack, cast

from blake3 import blake3

from respell import values
from respell.artifacts import naming
from respell.artifacts.record import ArtifactRecord, changed
from respell.errors import InvalidTransition, LimitReached, UsageError
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.store.blob_forms import INLINE_LIMIT, BlobInfo

MAX_VALUE_BYTES = 64 * 1024 * 1024
"""Most JSON that a table may be: it is read back as a whole."""


_NOTHING = ArtifactRecord(0, "", b"", 0)


class Address(bytes):
    """As content: the bytes that the store has at this address already."""


Content = bytes | bytearray | memoryview | str | BinaryIO | dict[Any, Any] | list[Any]
"""What can be stored: bytes, a text, all that a file gives, a table (kept as JSON)."""


class Fields(TypedDict, total=False):
    """What may be said of a new artifact.

    Attributes:
        type: e.g. `ToolResult`; case and underscores don't matter. `UserInput` if not given.
        mime_type: e.g. `text/plain`; if not given, what the name (or a table) suggests.
        tags: At most 100 texts of at most 64 bytes.
        description: Free text of at most 16 KiB.
        custom: The user's own fields, plain data of at most 64 KiB.
        parent: The artifact it is derived from.
        created_by: Id of the session that stores it, or who else does.
        event: Number of the event that makes it; None outside of a history.
        sequence: The number within its session that it must get; 0 for the next.
        call: What this is called in errors.
    """

    type: str | None
    mime_type: str | None
    tags: Iterable[str]
    description: str | None
    custom: Mapping[str, Any] | None
    parent: ArtifactRecord | None
    created_by: str | None
    event: int | None
    sequence: int
    call: str


# Storing ---------------------------------------------------------------------------------


def store_artifact(
    store: Store, session: SessionRecord, name: str, content: Content, **fields: Unpack[Fields]
) -> ArtifactRecord:
    """Store an artifact; it is durable when this returns.

    Args:
        store: Where the session is.
        session: The session that will own it.
        name: Its name; one that the session has already gets its next version.
        content: Its content; what a file gives is stored in little memory.
        **fields: What else is to be known of it, see `Fields`.

    Raises:
        UsageError: Name, content or a field can't be what it is; says why.
        InvalidTransition: The session is not active.
        LimitReached: The session may not have one more artifact, or not so many bytes.
        SessionNotFound: There is no such session any more.
        StoreFull: There is no space left.
    """
    record = add(store, session, name, content, **fields)
    store.sync()
    return record


def store_file(
    store: Store,
    session: SessionRecord,
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    **fields: Unpack[Fields],
) -> ArtifactRecord:
    """Store a regular file of any size, in little memory; durable when this returns.

    Args:
        store: Where the session is.
        session: The session that will own the artifact.
        path: The file.
        name: The artifact's name; the file's, if not given.
        **fields: What else is to be known of it, see `Fields`.

    Raises:
        UsageError: The file can't be read or is none; and as `store_artifact`.
    """
    call = fields.get("call", "store")
    given = Path(path)
    try:
        # Opening a pipe must not wait for its other end.
        descriptor = os.open(given, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{call}: can't read the file {given}: {reason}") from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UsageError(f"{call}: {given} is no regular file, so it can't be stored")
        with open(descriptor, "rb", buffering=0, closefd=False) as file:
            name = given.name if name is None else name
            return store_artifact(store, session, name, cast(BinaryIO, file), **fields)
    finally:
        os.close(descriptor)


def derive(
    store: Store,
    session: SessionRecord,
    parent: ArtifactRecord,
    name: str,
    content: Content,
    /,
    **fields: Unpack[Fields],
) -> ArtifactRecord:
    """Store an artifact that was made from another; it is of its type unless one is given.

    Args:
        store: Where the session is.
        session: The session that will own the new artifact.
        parent: The artifact it was made from, of any session.
        name: The new artifact's name.
        content: Its content.
        **fields: What else is to be known of it, see `Fields`.

    Raises:
        ArtifactNotFound: The parent was deleted.
        UsageError: As `store_artifact`; and for its other errors.
    """
    fields["parent"] = parent
    return store_artifact(store, session, name, content, **fields)


def add(
    store: Store, session: SessionRecord, name: str, content: Content, **fields: Unpack[Fields]
) -> ArtifactRecord:
    """Store an artifact like `store_artifact`, without waiting until it is durable.

    Outside of a transaction it makes one; large content is written before.
    """
    call = fields.get("call", "store")
    made = draft(store, session, name, content, **fields)
    written = None
    if not made.is_small:
        # Checked again below; here before anything is written.
        now = store.artifacts.place(session.key, made.record.name)
        _check_room(call, now, made.record.size)
        written = made.put(store, now)[0]
    with store.transaction():
        record = written or made.record
        place = store.artifacts.place(session.key, record.name, record.content_hash)
        _check_room(call, place, record.size)
        if record.parent_artifact is not None:
            store.artifacts.get(record.parent_artifact)
        blob = None
        if written is None:
            record, blob = made.put(store, place, is_new=not place.knows_content)
        return store.artifacts.insert(record, blob=blob, place=place)


class Owner(Protocol):
    """A session that takes or loses artifacts: its record, or the place of its next one."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def status(self) -> str:
        """Its status."""

    @property
    def artifacts(self) -> int:
        """How many artifacts it has."""

    @property
    def usage(self) -> Mapping[str, Any]:
        """What it has used, by name."""

    @property
    def limits(self) -> Mapping[str, Any]:
        """What it may use, by name."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An artifact of which all is checked and nothing is stored yet.

    Attributes:
        call: What this is called in errors.
        record: It, with the content's address if that is small; without its size if that is
            a file's.
        content: Its bytes, the address where they are, or the file that gives them.
    """

    call: str
    record: ArtifactRecord
    content: bytes | BinaryIO

    @property
    def is_small(self) -> bool:
        """Whether the content may be written within a transaction, while others wait."""
        content = self.content
        return isinstance(content, Address | bytes) and len(content) <= INLINE_LIMIT

    def put(
        self, store: Store, session: Owner, *, is_new: bool = False
    ) -> tuple[ArtifactRecord, BlobInfo | None]:
        """Store the content as a blob; return the record that refers to it.

        Args:
            store: Where.
            session: Its session as it is now: reading a file ends at the limit of that.
            is_new: The store has no such content, as was seen in the transaction that is open.

        Returns:
            The record, and how the content is stored if that is known already.

        Raises:
            LimitReached: The file is larger than what the session may still have.
            UsageError: The file does not give bytes.
            StoreFull: There is no space left.
        """
        if isinstance(self.content, Address):
            return self.record, None
        if isinstance(self.content, bytes):
            address = self.record.content_hash
            if address:
                return self.record, store.blobs.add_at(address, self.content, is_new=is_new)
            address, blob = store.blobs.add(self.content)
            return changed(self.record, content_hash=address), blob
        reader = cast(BinaryIO, _Bounded(self.content, self.call, session))
        address, size = store.blobs.put_stream(reader)
        return changed(self.record, content_hash=address, size=size), None


def draft(
    store: Store, session: SessionRecord, name: str, content: Content, **fields: Unpack[Fields]
) -> Draft:
    """Return a new artifact with all that can be checked before it is stored.

    Raises:
        UsageError: Name, content or a field can't be what it is; says why.
        NotFound: The content is an address, and nothing is there.
    """
    call = fields.get("call", "store")
    name = naming.check_name(call, name)
    data, is_value = _raw(call, content)
    address = b""
    if isinstance(data, Address):
        address, size = bytes(data), store.blobs.size(data)
    else:
        size = len(data) if isinstance(data, bytes) else 0
        if isinstance(data, bytes) and size <= INLINE_LIMIT:
            address = blake3(data).digest()
    parent = fields.get("parent")
    kind = fields.get("type")
    if kind is None and parent is not None:
        kind = parent.artifact_type
    mime = naming.check_mime(call, fields.get("mime_type"))
    record = changed(
        _NOTHING,
        session_key=session.key,
        name=name,
        content_hash=address,
        size=size,
        artifact_type=naming.check_type(call, kind),
        mime_type=mime or naming.mime_of(name, is_value=is_value),
        description=naming.check_description(call, fields.get("description")),
        tags=naming.check_tags(call, fields.get("tags", ())),
        custom=naming.check_custom(call, fields.get("custom")),
        is_value=is_value,
        created_by=fields.get("created_by"),
        parent_artifact=None if parent is None else parent.id,
        event=fields.get("event"),
        sequence=fields.get("sequence", 0),
    )
    return Draft(call, record, data)


# Content ---------------------------------------------------------------------------------


def _raw(call: str, content: object) -> tuple[bytes | BinaryIO, bool]:
    """Return the bytes (or where they come from), and whether they stand for a table."""
    match content:
        case Address() | bytes():
            return content, False
        case bytearray() | memoryview():
            return bytes(content), False
        case str():
            try:
                return content.encode(), False
            except UnicodeEncodeError:
                raise UsageError(
                    f"{call}: content has characters that are no Unicode text; give bytes"
                ) from None
        case dict() | list():
            return _canonical_json(call, content), True
    if callable(getattr(content, "read", None)):
        return cast(BinaryIO, content), False
    raise UsageError(
        f"{call}: content must be a string or a table, not a {naming.kind_of(content)}"
    )


def _canonical_json(call: str, value: Any) -> bytes:
    try:
        plain = values.to_json(values.decode(values.encode(value)))
        text = json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode()
    except (UsageError, UnicodeEncodeError) as error:
        raise UsageError(f"{call}: content: {error}") from None
    if len(text) > MAX_VALUE_BYTES:
        raise UsageError(
            f"{call}: content is a table of {len(text)} bytes as JSON; at most {MAX_VALUE_BYTES} "
            "can be stored as a table. Store it as a string or a file instead"
        )
    return text


class _Bounded:
    """A reader that refuses to go on where a session may not have more bytes."""

    def __init__(self, reader: BinaryIO, call: str, session: Owner) -> None:
        self._reader = reader
        self._call = call
        self._session = session
        self._size = 0

    def read(self, size: int = -1) -> bytes:
        try:
            data: object = self._reader.read(size)
        except OSError as error:
            raise UsageError(f"{self._call}: can't read the content: {error}") from error
        if not isinstance(data, bytes):
            raise UsageError(
                f"{self._call}: the file gives {naming.kind_of(data)} instead of bytes; open it "
                "in binary mode ('rb')"
            )
        self._size += len(data)
        _check_limits(self._call, self._session, self._size)
        return data


# Who takes what --------------------------------------------------------------------------


def _check_room(call: str, now: Owner, size: int) -> None:
    """Refuse one more artifact of this size where the session, as it is now, takes none."""
    _check_active(call, now)
    _check_limits(call, now, size)


def over_limits(session: Owner, size: int) -> tuple[str, str] | None:
    """Return the limit that one more artifact would exceed.

    Args:
        session: The session, as it is now.
        size: The artifact's bytes.

    Returns:
        The limit's name, and what is reached, in words; None while there is room.
    """
    limits = session.limits
    if not limits:
        return None
    most = limits.get("artifacts")
    if most is not None and session.artifacts >= most:
        return "artifacts", f"it has {session.artifacts} of {most} artifacts"
    most = limits.get("artifact_bytes")
    if most is not None and (used := session.usage.get("artifact_bytes", 0)) + size > most:
        what = f"its artifacts have {used} of {most} bytes, and {size} more don't fit"
        return "artifact_bytes", what
    return None


def _check_limits(call: str, session: Owner, size: int) -> None:
    if reached := over_limits(session, size):
        limit, what = reached
        raise LimitReached(
            f"{call}: the limit {limit} of session {session.id} is reached: {what}. Deleting "
            "artifacts makes room",
            limit=limit,
        )


def _check_active(call: str, session: Owner) -> None:
    if session.status != "active":
        hint = "resume it first" if session.status == "suspended" else "it has ended"
        raise InvalidTransition(
            f"{call}: session {session.id} is {session.status}; only an active session takes or "
            f"loses artifacts ({hint})",
            current=session.status,
            wanted="active",
        )


# Deleting --------------------------------------------------------------------------------


def delete(store: Store, record: ArtifactRecord, *, call: str = "delete") -> None:
    """Delete an artifact; its content stays while anything else has it. Durable on return.

    Raises:
        ArtifactNotFound: It was deleted before.
        InvalidTransition: Its session is not active.
    """
    remove(store, record, call=call)
    store.sync()


def remove(store: Store, record: ArtifactRecord, *, call: str = "delete") -> None:
    """Delete an artifact like `delete`, without waiting until that is durable."""
    with store.transaction():
        _check_active(call, store.sessions.get(record.session_key))
        store.artifacts.delete(record.id)

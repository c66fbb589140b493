"""The artifacts of one session, for Python: store, find, read and derive them."""

from __future__ import annotations

import builtins
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, BinaryIO

from respell.artifacts import reading, storing
from respell.artifacts.naming import check_type
from respell.artifacts.record import ArtifactQuery, ArtifactRecord, ArtifactSort
from respell.artifacts.storing import Content, Fields
from respell.errors import ArtifactNotFound, EffectFailed, LimitReached
from respell.sessions import granting
from respell.sessions.current import acting
from respell.sessions.facts import SessionFacts
from respell.sessions.record import SessionRecord
from respell.store import AuditEntry, Store
from respell.times import microseconds

_CALL = "artifacts"


class SessionArtifacts:
    """The artifacts of one session, newest first when iterated over.

    Where an artifact is asked for, give its `ArtifactRecord`, its id, or its name (which
    means the newest version). Whatever is stored is durable when the method returns. Inside
    a Python tool, artifacts of `respell.current()` belong to the event of that tool call.
    """

    def __init__(self, store: Store, session_id: str) -> None:
        """Made by `Session.artifacts`."""
        self._store = store
        self._id = session_id

    # Storing -----------------------------------------------------------------------------

    def store(
        self,
        name: str,
        content: Content,
        *,
        type: str | None = None,
        mime_type: str | None = None,
        tags: Sequence[str] = (),
        description: str = "",
        custom: Mapping[str, Any] | None = None,
    ) -> ArtifactRecord:
        """Store an artifact; a name that is there already gets its next version.

        Args:
            name: 1 to 255 bytes, without slashes and control characters.
            content: Bytes, text, a file open for reading bytes (streamed), or a dict or list
                (kept as canonical JSON, and given to scripts as a table).
            type: AgentOutput, ToolResult, UserInput (the default), SystemGenerated or any
                other word.
            mime_type: e.g. `text/plain`; what the name suggests, if not given.
            tags: To find it by.
            description: Free text.
            custom: The user's own fields.

        Raises:
            UsageError: Name, content or a field can't be what it is; says why.
            InvalidTransition: The session is not active.
            LimitReached: The session may not have one more, or not so many bytes.
        """
        with _failing_the_tool():
            return storing.store_artifact(
                self._store, self._record(), name, content,
                **self._fields("store", type, mime_type, tags, description, custom),
            )  # fmt: skip

    def store_file(
        self,
        path: str | os.PathLike[str],
        *,
        name: str | None = None,
        type: str | None = None,
        mime_type: str | None = None,
        tags: Sequence[str] = (),
        description: str = "",
        custom: Mapping[str, Any] | None = None,
    ) -> ArtifactRecord:
        """Store a regular file of any size; memory stays flat.

        Args:
            path: The file.
            name: The artifact's name; the file's, if not given.
            type: As for `store`.
            mime_type: As for `store`.
            tags: As for `store`.
            description: As for `store`.
            custom: As for `store`.

        Raises:
            UsageError: The file can't be read, or is none; and as `store`.
        """
        with _failing_the_tool():
            return storing.store_file(
                self._store, self._record(), path, name=name,
                **self._fields("store_file", type, mime_type, tags, description, custom),
            )  # fmt: skip

    def derive(
        self,
        artifact: ArtifactRecord | str,
        name: str,
        content: Content,
        *,
        type: str | None = None,
        mime_type: str | None = None,
        tags: Sequence[str] = (),
        description: str = "",
        custom: Mapping[str, Any] | None = None,
    ) -> ArtifactRecord:
        """Store an artifact that was made from another, and remembers it as its parent.

        Args:
            artifact: What it was made from; of any session, if given by id or record.
            name: As for `store`.
            content: As for `store`.
            type: As for `store`; the parent's, if not given.
            mime_type: As for `store`.
            tags: As for `store`.
            description: As for `store`.
            custom: As for `store`.

        Raises:
            ArtifactNotFound: The parent was deleted. And as `store`.
        """
        parent = self.get(artifact)
        with _failing_the_tool():
            return storing.derive(
                self._store, self._record(), parent, name, content,
                **self._fields("derive", type, mime_type, tags, description, custom),
            )  # fmt: skip

    def _fields(
        self,
        call: str,
        type: str | None,
        mime_type: str | None,
        tags: Sequence[str],
        description: str,
        custom: Mapping[str, Any] | None,
    ) -> Fields:
        here = acting()
        inside = here is not None and here.session_id == self._id
        return Fields(
            call=f"{_CALL}.{call}",
            type=type,
            mime_type=mime_type,
            tags=tags,
            description=description,
            custom=custom,
            created_by=here.session_id if here is not None else "python",
            event=here.event if here is not None and inside else None,
        )

    # Finding -----------------------------------------------------------------------------

    def get(self, artifact: ArtifactRecord | str) -> ArtifactRecord:
        """Return one artifact as the store has it now.

        Args:
            artifact: Its record, its id, or a name, which means the newest version.

        Raises:
            ArtifactNotFound: There is none (any more).
        """
        if isinstance(artifact, ArtifactRecord):
            return self._store.artifacts.get(artifact.id)
        if "/" in artifact:
            return self._store.artifacts.get(artifact)
        found = self.list(name=artifact, sort="version", limit=1)
        if not found:
            raise ArtifactNotFound(
                f"session {self._id[:8]} has no artifact {artifact!r:.80}; `artifacts.list()` "
                "returns those it has"
            )
        return found[0]

    def list(
        self,
        *,
        name: str | None = None,
        name_pattern: str | None = None,
        type: str | None = None,
        tags: Sequence[str] = (),
        mime_type: str | None = None,
        created_after: datetime | str | None = None,
        created_before: datetime | str | None = None,
        min_size: int | None = None,
        max_size: int | None = None,
        text: str | None = None,
        sort: ArtifactSort = "created_at",
        desc: bool | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> builtins.list[ArtifactRecord]:
        """Return the artifacts that match all that is given.

        Args:
            name: Exactly this name, all its versions.
            name_pattern: Names that match this glob (`*`, `?`, `[…]`).
            type: Of this type; case and underscores don't matter.
            tags: That have all of these.
            mime_type: Of this MIME type; `text/*` stands for all below it.
            created_after: Created at or after this time.
            created_before: Created before it.
            min_size: Of at least so many bytes.
            max_size: Of at most so many bytes.
            text: Whose name, description or tags contain it, in any case.
            sort: created_at, name, size, version or artifact_type.
            desc: Descending; None means newest or largest first, and names and types from A.
            limit: At most so many; None for all.
            offset: Skip so many first.

        Raises:
            UsageError: A filter can't be what it is.
        """
        return self._store.artifacts.list(
            ArtifactQuery(
                session_id=self._id,
                artifact_type=None if type is None else check_type(f"{_CALL}.list", type),
                name=name,
                name_pattern=name_pattern,
                tags=(tags,) if isinstance(tags, str) else tuple(tags),
                mime_type=mime_type,
                created_after=None if created_after is None else microseconds(created_after),
                created_before=None if created_before is None else microseconds(created_before),
                min_size=min_size,
                max_size=max_size,
                text=text,
                sort=sort,
                desc=desc,
                limit=limit,
                offset=offset,
            )
        )

    def versions(self, name: str) -> builtins.list[ArtifactRecord]:
        """Return every version of a name, oldest first; none where there is no such name."""
        return self._store.artifacts.versions(self._record().key, name)

    def __iter__(self) -> Iterator[ArtifactRecord]:
        return iter(self.list())

    def __len__(self) -> int:
        return self._store.artifacts.count(ArtifactQuery(session_id=self._id))

    def __contains__(self, artifact: object) -> bool:
        if not isinstance(artifact, ArtifactRecord | str):
            return False
        try:
            return self.get(artifact).session_id == self._id
        except ArtifactNotFound:
            return False

    # Reading -----------------------------------------------------------------------------

    def read(self, artifact: ArtifactRecord | str) -> bytes:
        """Return all of an artifact's bytes, verified against their hash.

        Raises:
            ArtifactNotFound: There is none (any more).
            StoreCorrupt: The bytes are not what was stored.
        """
        return reading.read(self._store, self.get(artifact))

    def open(self, artifact: ArtifactRecord | str) -> BinaryIO:
        """Return an artifact as a file, open for reading bytes and for seeking.

        Only what is read is loaded, so an artifact may be larger than the memory.

        Raises:
            ArtifactNotFound: There is none (any more).
            StoreCorrupt: (while reading) The bytes are not what was stored.
        """
        return reading.open_content(self._store, self.get(artifact))

    def verify(self, artifact: ArtifactRecord | str) -> None:
        """Read all of an artifact and compare it with its hash.

        Raises:
            ArtifactNotFound: There is none (any more).
            StoreCorrupt: The bytes are not what was stored, or are gone.
        """
        reading.verify(self._store, self.get(artifact))

    def delete(self, artifact: ArtifactRecord | str) -> None:
        """Delete one version; its bytes stay while another artifact has the same.

        Raises:
            ArtifactNotFound: There is none (any more), or it is another session's.
            InvalidTransition: The session is not active.
        """
        record = self.get(artifact)
        if record.session_id != self._id:
            raise ArtifactNotFound(
                f"artifact {record.id} is of another session than {self._id[:8]}"
            )
        storing.delete(self._store, record, call=f"{_CALL}.delete")

    # Who else may ------------------------------------------------------------------------

    def grant(
        self,
        artifact: ArtifactRecord | str,
        to: SessionFacts | SessionRecord | str,
        level: str = "read",
        *,
        expires_at: datetime | str | None = None,
    ) -> None:
        """Let another session's script have an artifact; replaces what it was granted of it.

        Args:
            artifact: Its record, its id or its name.
            to: The session that may from now on, or what `respell.session` finds it by.
            level: read, write or admin.
            expires_at: When that ends; None for never.

        Raises:
            ArtifactNotFound: There is none (any more), or it is another session's.
            PermissionDenied: To this session itself, which owns it.
            UsageError: There is no such level, or the time has passed already.
        """
        granting.give(
            self._store, self._own(artifact), granting.found(self._store, to), level,
            by=granting.as_actor(), call=f"{_CALL}.grant",
            expires_at=None if expires_at is None else microseconds(expires_at),
        )  # fmt: skip
        self._store.sync()

    def revoke(
        self, artifact: ArtifactRecord | str, grantee: SessionFacts | SessionRecord | str
    ) -> bool:
        """Take back what a session was granted of an artifact; return whether it was anything.

        Args:
            artifact: Its record, its id or its name.
            grantee: The session, or its id, which need not be there any more.

        Raises:
            ArtifactNotFound: There is none (any more), or it is another session's.
            PermissionDenied: It is this session itself, which owns it.
        """
        had = granting.take_back(
            self._store, self._own(artifact), granting.id_of(self._store, grantee),
            by=granting.as_actor(), call=f"{_CALL}.revoke",
        )  # fmt: skip
        self._store.sync()
        return had

    def acl(self, artifact: ArtifactRecord | str) -> builtins.list[dict[str, Any]]:
        """Return who may do what to an artifact, the owner first, then by age.

        Each entry has session_id, level, owner, expires_at, expired, granted_by and granted_at.

        Raises:
            ArtifactNotFound: There is none (any more), or it is another session's.
        """
        return granting.acl(self._store, self._own(artifact))

    def audit(
        self, artifact: ArtifactRecord | str, *, limit: int = 500
    ) -> builtins.list[AuditEntry]:
        """Return the newest entries of the audit log about an artifact, oldest of them first.

        Args:
            artifact: Its record, its id or its name.
            limit: At most so many.

        Raises:
            ArtifactNotFound: There is none (any more), or it is another session's.
        """
        label = self._own(artifact).label
        return self._store.audit.list(session=self._id, target=label, limit=limit)

    def _own(self, artifact: ArtifactRecord | str) -> granting.Thing:
        record = self.get(artifact)
        if record.session_id != self._id:
            raise ArtifactNotFound(
                f"artifact {record.id} is of another session than {self._id[:8]}"
            )
        return granting.artifact_thing(self._record(), record)

    def _record(self) -> SessionRecord:
        return self._store.sessions.get(self._id)

    def __repr__(self) -> str:
        return f"<artifacts of session {self._id[:8]}>"


@contextmanager
def _failing_the_tool() -> Iterator[None]:
    """Let a limit that is reached inside a tool be that tool's failure.

    A session ends at a limit as if the effect had not been performed; a tool that is at work
    has done half of it, and must not be called again unasked.
    """
    try:
        yield
    except LimitReached as error:
        here = acting()
        if here is None or here.event is None:
            raise
        raise EffectFailed(str(error)) from error

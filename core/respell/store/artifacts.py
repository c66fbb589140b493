"""The artifacts of a store."""

from __future__ import annotations

import builtins

from respell.artifacts.record import ArtifactQuery, ArtifactRecord


class Artifacts:
    """Rows of artifacts: `store.artifacts`. Their bytes are blobs, stored before."""

    def insert(self, record: ArtifactRecord) -> ArtifactRecord:
        """Add an artifact; return it with id, sequence, version and sizes filled in.

        Raises:
            SessionNotFound: There is no such session.
            NotFound: Its content is not in the store.
        """
        raise NotImplementedError

    def get(self, artifact_id: str) -> ArtifactRecord:
        """Return the artifact of this id (`SESSION/SEQUENCE/HASH`).

        Raises:
            ArtifactNotFound: There is none, or it was deleted.
        """
        raise NotImplementedError

    def list(self, query: ArtifactQuery | None = None) -> builtins.list[ArtifactRecord]:
        """Return the artifacts that match, newest first unless the query says otherwise."""
        raise NotImplementedError

    def count(self, query: ArtifactQuery | None = None) -> int:
        """Return how many artifacts match, whatever the query's limit and offset are."""
        raise NotImplementedError

    def versions(self, session: int, name: str) -> builtins.list[ArtifactRecord]:
        """Return every version of a name in a session, oldest first."""
        raise NotImplementedError

    def delete(self, artifact_id: str) -> None:
        """Delete an artifact; its number and version are not used again.

        Raises:
            ArtifactNotFound: There is none, or it was deleted before.
        """
        raise NotImplementedError

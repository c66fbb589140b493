"""What a check of a store found."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be.

    Attributes:
        kind: What sort of thing, e.g. `blob.damaged`.
        what: A sentence that names it: session and record, blob and file, artifact.
        advice: What to do about it; for what was repaired: what was done, and what is left.
        repaired: Whether it was put right, as far as it can be.
        session: Id of the session it is about; empty for none.
        blob: Address of the blob it is about, in hex; empty for none.
        path: The file it is about; empty for none.
    """

    kind: str
    what: str
    advice: str
    repaired: bool = False
    session: str = ""
    blob: str = ""
    path: str = ""


@dataclass(slots=True)
class CheckReport:
    """What a check looked at, and what it found.

    Attributes:
        read_data: Whether every byte was read, or only rows and what they refer to.
        findings: What is not as it should be.
        unlisted: How many more there were of a kind than are listed.
        sessions: How many sessions were looked at, hidden ones included.
        records: How many records they have.
        artifacts: How many artifacts.
        blobs: How many blobs.
        blob_bytes: What they occupy.
        leftovers: How many files were left by writers that were cut short. They do no harm;
            `respell gc` takes them away.
        leftover_bytes: Their size.
    """

    read_data: bool
    findings: list[Finding] = field(default_factory=list)
    unlisted: dict[str, int] = field(default_factory=dict)
    sessions: int = 0
    records: int = 0
    artifacts: int = 0
    blobs: int = 0
    blob_bytes: int = 0
    leftovers: int = 0
    leftover_bytes: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing was found that is still not as it should be."""
        return not self.unlisted and all(it.repaired for it in self.findings)

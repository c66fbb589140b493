"""Grants in exports: those between sessions of the file go along, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import respell
from respell.errors import StoreCorrupt
from respell.store import Store
from respell.store.care.checking import check
from respell.store.exchange.exporting import export_session
from respell.store.exchange.file import ExportReader, ExportWriter, Kind, unpacked
from respell.store.exchange.importing import import_session


@pytest.fixture
def exported(script: Any, store: Store, tmp_path: Path) -> Path:
    """A session with a helper that was granted something, as was a stranger."""
    stranger = respell.create(store=store, name="stranger")
    done = script("""
        helper = Session.create{name = "helper"}
        plan = Artifact.store(nil, "plan.txt", "to Oslo")
        Artifact.grant(nil, plan, helper, "write", "2030-01-01T00:00:00Z")
        Artifact.grant(nil, plan, input, "read")
        State.grant(nil, helper, "read")
        Artifact.grant(helper, Artifact.store(helper, "a", "b"), Session.getCurrent(), "admin")
    """, input=stranger.id)  # fmt: skip
    assert done.session.status == "completed", done.session.error
    export_session(store, done.session, tmp_path / "it")
    export_session(store, done.session, tmp_path / "redacted", redact=["Oslo"])
    return tmp_path / "it"


def test_grants_between_the_sessions_of_a_file_go_along(
    exported: Path, store: Store, tmp_path: Path
) -> None:
    before = {(it.owner, it.grantee, it.kind, it.target, it.level, it.expires_at)
              for it in store.grants.list()}  # fmt: skip
    with Store(tmp_path / "other", durability="process") as other:
        main = import_session(other, exported)
        after = {(it.owner, it.grantee, it.kind, it.target, it.level, it.expires_at)
                 for it in other.grants.list()}  # fmt: skip
        assert len(before) == 4
        assert after == {it for it in before if store.sessions.get(it[1]).name != "stranger"}
        (helper,) = [it for it in other.sessions.list() if it.name == "helper"]
        assert {it.grantee for it in other.grants.list(owner=main.key)} == {helper.id}
        assert check(other, read_data=True).ok


def test_what_is_redacted_grants_nothing(exported: Path, tmp_path: Path) -> None:
    with Store(tmp_path / "other", durability="process") as other:
        import_session(other, exported.with_name("redacted"))
        assert other.grants.list() == []


@pytest.mark.parametrize(
    ("column", "value"),
    [(0, "all"), (1, "x"), (2, "nobody"), (2, "00000000-0000-4000-8000-000000000000"), (3, 4),
     (3, 0), (4, -1), (4, "soon"), (5, 7), (6, None)],
)  # fmt: skip
def test_a_grant_that_can_not_be_one_is_refused(
    exported: Path, tmp_path: Path, column: int, value: Any
) -> None:
    lying = tmp_path / "lying"
    with ExportReader(exported) as reader, lying.open("wb") as file:
        writer = ExportWriter(file)
        for frame in reader.frames():
            if frame.kind is not Kind.GRANTS:
                writer.frame(frame.kind, frame.payload)
                continue
            rows = unpacked(frame.payload)
            for row in rows:
                if row[0] == "artifact":
                    row[column] = value
            writer.pack(Kind.GRANTS, rows)
    with Store(tmp_path / "other", durability="process") as other:
        with pytest.raises(StoreCorrupt):
            import_session(other, lying)
        assert other.sessions.list() == []
        assert other.grants.list() == []

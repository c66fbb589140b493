"""Artifacts and state of a session, from Python."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest

import respell
from respell.errors import ArtifactNotFound, InvalidTransition, LimitReached, UsageError
from respell.store import Store


@pytest.fixture
def session(store: Store) -> respell.Session:
    """A session without program."""
    return respell.create(store=store, name="notes")


# Artifacts -------------------------------------------------------------------------------


def test_an_artifact_is_stored_found_and_read(session: respell.Session) -> None:
    artifacts = session.artifacts
    first = artifacts.store(
        "report.md", "# Draft", type="AgentOutput", tags=["weekly"], description="the first",
        custom={"pages": 3},
    )  # fmt: skip
    second = artifacts.store("report.md", b"# Final")
    assert (first.version, second.version) == (1, 2)
    assert first.mime_type == "text/markdown"
    assert first.event is None
    assert artifacts.get("report.md") == second
    assert artifacts.get(first.id).custom == {"pages": 3}
    assert [artifacts.read(it) for it in artifacts.versions("report.md")] == [
        b"# Draft",
        b"# Final",
    ]
    assert artifacts.list(tags="weekly", type="agent_output", text="FIRST") == [first]
    assert artifacts.list(mime_type="text/*", sort="version", desc=False) == [first, second]
    assert list(artifacts) == [second, first]
    assert len(artifacts) == 2
    assert "report.md" in artifacts
    assert "other.md" not in artifacts


def test_a_table_a_file_and_a_stream_are_stored(session: respell.Session, tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    (tmp_path / "noise.bin").write_bytes(data)
    artifacts = session.artifacts
    assert artifacts.read(artifacts.store("t", {"b": [1, 2.5], "a": "x"})) == (
        b'{"a":"x","b":[1,2.5]}'
    )
    from_file = artifacts.store_file(tmp_path / "noise.bin")
    from_stream = artifacts.store("again", io.BytesIO(data))
    assert from_file.name == "noise.bin"
    assert from_file.content_hash == from_stream.content_hash
    with artifacts.open("again") as file:
        assert file.read(10) == data[:10]
        file.seek(-5, os.SEEK_END)
        assert file.read() == data[-5:]
        file.seek(0)
        assert file.read() == data
    artifacts.verify("again")


def test_an_artifact_remembers_what_it_was_made_from(session: respell.Session) -> None:
    source = session.artifacts.store("source.csv", "a,b", type="ToolResult")
    made = session.artifacts.derive(source, "chart.svg", "<svg/>")
    assert made.parent_artifact == source.id
    assert made.artifact_type == "tool_result"


def test_a_deleted_artifact_is_gone(session: respell.Session, store: Store) -> None:
    artifact = session.artifacts.store("a.txt", "x")
    other = respell.create(store=store)
    with pytest.raises(ArtifactNotFound, match="of another session"):
        other.artifacts.delete(artifact)
    session.artifacts.delete("a.txt")
    with pytest.raises(ArtifactNotFound, match=r"has no artifact 'a\.txt'"):
        session.artifacts.get("a.txt")
    with pytest.raises(ArtifactNotFound):
        session.artifacts.delete(artifact)
    assert artifact not in session.artifacts


def test_what_can_not_be_is_refused(session: respell.Session, tmp_path: Path) -> None:
    artifacts = session.artifacts
    with pytest.raises(UsageError, match=r"artifacts\.store"):
        artifacts.store("../up", "x")
    with pytest.raises(UsageError, match="can't read the file"):
        artifacts.store_file(tmp_path / "nothing")
    session.suspend()
    with pytest.raises(InvalidTransition, match="suspended"):
        artifacts.store("a", "x")
    assert len(artifacts) == 0


def test_a_limit_of_artifacts_holds(store: Store) -> None:
    session = respell.create(store=store, limits={"artifacts": 1})
    session.artifacts.store("a", "x")
    with pytest.raises(LimitReached, match="artifacts"):
        session.artifacts.store("b", "x")
    assert len(session.artifacts) == 1


# State -----------------------------------------------------------------------------------


def test_state_is_a_mapping(session: respell.Session) -> None:
    state = session.state
    state["n"] = 1
    state["table"] = {"list": [1, 2.0, b"\xff", True]}
    assert dict(state) == {"n": 1, "table": {"list": [1, 2.0, b"\xff", True]}}
    assert state.setdefault("n", 5) == 1
    assert state.pop("n") == 1
    assert "n" not in state
    assert state.get("n") is None
    with pytest.raises(KeyError):
        del state["n"]
    with pytest.raises(KeyError):
        state["n"]
    state.clear()
    assert len(state) == 0


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("", 1, "not empty"), (5, 1, "is a text"), ("k" * 2000, 1, "1024 bytes"),
        ("k", None, "removes it"), ("k", object(), "can't be passed to Lua"),
        ("k", {"x": {1, 2}}, "can't be passed to Lua"),
    ],
)  # fmt: skip
def test_what_lua_could_not_have_is_not_kept(
    session: respell.Session, key: Any, value: Any, problem: str
) -> None:
    with pytest.raises(UsageError, match=problem):
        session.state[key] = value
    assert len(session.state) == 0


def test_a_deleted_sessions_state_takes_nothing(session: respell.Session, store: Store) -> None:
    state = session.state
    session.delete()
    with pytest.raises(respell.RespellError, match="there is no session"):
        state["k"] = 1
    assert store.state.list(f"session:{session.id}") == []

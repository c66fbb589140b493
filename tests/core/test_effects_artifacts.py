"""Artifacts as scripts store, find, read and delete them."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3

from performing_effects import Script
from respell.artifacts import storing
from respell.errors import (
    ArtifactNotFound,
    EffectFailed,
    LimitReached,
    PermissionDenied,
    UsageError,
)
from respell.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store", durability="process") as opened:
        yield opened


@pytest.fixture
def script(store: Store, tmp_path: Path) -> Script:
    return Script(store, tmp_path)


def stored(script: Script, name: str = "a.txt", content: Any = "hello", **args: Any) -> str:
    return str(script.call("artifact.store", name=name, content=content, **args)["id"])


def content(script: Script, artifact: str, **args: Any) -> Any:
    return script.call("artifact.get_content", id=artifact, **args)


# Storing ---------------------------------------------------------------------------------


def test_an_artifacts_id_names_session_number_and_content(script: Script) -> None:
    found = script.call("artifact.store", name="a.txt", content="hello")
    digest = blake3(b"hello").hexdigest()
    assert found == {
        "content_hash": digest,
        "session_id": script.id,
        "sequence": 1,
        "id": f"{script.id}/1/{digest[:8]}",
    }


def test_metadata_comes_back(script: Script) -> None:
    artifact = stored(
        script,
        "report.txt",
        "hello",
        options={
            "description": "what came of it",
            "tags": ["q4", "finance"],
            "mime_type": "text/x-report; charset=utf-8",
            "type": "agent_output",
            "reviewer": "lena",
            "scores": [1, 2.5],
        },
    )
    found = script.call("artifact.get", id=artifact)
    assert found["content"] == "hello"
    metadata = found["metadata"]
    assert metadata["name"] == "report.txt"
    assert metadata["description"] == "what came of it"
    assert metadata["artifact_type"] == "AgentOutput"
    assert metadata["mime_type"] == "text/x-report; charset=utf-8"
    assert metadata["tags"] == ["q4", "finance"]
    assert metadata["custom"] == {"reviewer": "lena", "scores": [1, 2.5]}
    assert metadata["size"] == metadata["original_size"] == 5
    assert metadata["version"] == 1
    assert metadata["created_by"] == script.id
    assert metadata["event"] == 1
    assert metadata["is_compressed"] is False
    assert "previous_hash" not in metadata


@pytest.mark.parametrize(
    "value",
    [
        {"growth": 0.15, "revenue": 1000000, "summary": "ok", "whole": 2.0},
        [1, 2, 3],
        {},
        {5: "five", "bytes": b"\xff\xfe", "nan": float("inf"), "nested": [{"a": [True]}]},
        {"$bytes": "not really"},
        {"text": 'ä "quoted" \\ \n'},
    ],
)
def test_a_table_comes_back_as_a_table(script: Script, value: Any) -> None:
    artifact = stored(script, "t.json", value)
    found = content(script, artifact)["value"]
    assert found == value
    assert repr(found) == repr(value)  # integers and floats stay apart
    assert script.call("artifact.get", id=artifact)["metadata"]["mime_type"] == "application/json"


def test_equal_tables_are_one_content(script: Script) -> None:
    first = script.call("artifact.store", name="a", content={"x": 1, "y": [2]})
    second = script.call("artifact.store", name="b", content={"y": [2], "x": 1})
    assert first["content_hash"] == second["content_hash"]
    assert first["id"] != second["id"]
    assert script.call("artifact.get", id=first["id"])["content"] == '{"x":1,"y":[2]}'


def test_bytes_come_back_as_they_were(script: Script) -> None:
    data = bytes(range(256)) * 300
    artifact = stored(script, "b.bin", data)
    found = script.call("artifact.get", id=artifact)
    assert (found["blob"], found["size"]) == (blake3(data).digest(), len(data))
    assert script.store.blobs.get(found["blob"]) == data
    assert found["metadata"]["is_compressed"] is True
    assert content(script, stored(script, "s.bin", data[:300])) == {"content": data[:300]}


def test_the_same_name_again_is_the_next_version(script: Script) -> None:
    stored(script, "draft", "one")
    stored(script, "other", "one")
    stored(script, "draft", "two")
    found = script.call("artifact.versions", name="draft")
    assert [(it["version"], it.get("previous_hash")) for it in found] == [
        (1, None), (2, blake3(b"one").hexdigest()),
    ]  # fmt: skip
    assert [it["sequence"] for it in found] == [1, 3]


@pytest.mark.parametrize(
    ("name", "mime"),
    [
        ("a.json", "application/json"), ("a.pdf", "application/pdf"), ("a.md", "text/markdown"),
        ("a.lua", "text/x-lua"), ("a.yaml", "application/yaml"), ("a.txt", "text/plain"),
        ("a", "application/octet-stream"), ("a.tar.gz", "application/octet-stream"),
    ],
)  # fmt: skip
def test_without_a_mime_type_the_name_tells_it(script: Script, name: str, mime: str) -> None:
    artifact = stored(script, name, "x")
    assert script.call("artifact.get", id=artifact)["metadata"]["mime_type"] == mime


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (None, "UserInput"), ("user_input", "UserInput"), ("USERINPUT", "UserInput"),
        ("ToolResult", "ToolResult"), ("tool-result", "ToolResult"),
        ("SystemGenerated", "SystemGenerated"), ("MyReport", "my_report"),
    ],
)  # fmt: skip
def test_case_and_underscores_of_a_type_dont_matter(
    script: Script, given: str | None, shown: str
) -> None:
    stored(script, type=given)
    (found,) = script.call("artifact.list", filter={"artifact_type": given or "user_input"})
    assert found["artifact_type"] == shown


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        ({"name": ""}, "name must have 1 to 255 bytes, not 0"),
        ({"name": "ä" * 128}, "name must have 1 to 255 bytes, not 256"),
        ({"name": "../../etc/passwd"}, "name must have no path separator"),
        ({"name": "a\\b"}, "name must have no path separator"),
        ({"name": ".."}, "name must have no path separator and no '..'"),
        ({"name": "a\x00b"}, "name must have no control characters"),
        ({"name": "a\x9bb"}, "name must have no control characters"),
        ({"name": b"\xff"}, "name must be UTF-8 text"),
        ({"name": 5}, "name must be a string, not 5"),
        ({"content": 5}, "content must be a string or a table, not a number"),
        ({"type": ""}, "type must have 1 to 64 bytes, not 0"),
        ({"type": "x" * 65}, "type must have 1 to 64 bytes, not 65"),
        ({"options": {"tags": ["x" * 65]}}, r"tags\[1\] may have 64 bytes; this one has 65"),
        ({"options": {"tags": "x"}}, "tags must be a list of strings"),
        ({"options": {"mime_type": "text"}}, "mime_type must look like text/plain, not 'text'"),
        ({"options": {"description": 5}}, "description must be a string, not 5"),
        ({"options": {1: "x"}}, "options are a table with names|names of custom fields"),
        ({"options": {True: "x"}}, "names of custom fields must be strings"),
    ],
)
def test_what_can_not_be_stored_is_refused_by_name(
    script: Script, args: dict[str, Any], problem: str
) -> None:
    given = {"name": "a", "content": "x", **args}
    with pytest.raises(UsageError, match=problem) as refused:
        script.call("artifact.store", **given)
    assert str(refused.value).startswith("Artifact.store: ")
    assert script.call("artifact.list") == []


def test_a_files_snapshot_is_stored_without_travelling(script: Script, tmp_path: Path) -> None:
    data = random.Random(7).randbytes(9_000_000)
    (tmp_path / "big.pdf").write_bytes(data)
    opened = script.call("file.open", path="big.pdf", mode="rb")
    artifact = script.call("artifact.store", name="big.pdf", blob=opened["hash"])
    found = script.call("artifact.get", id=artifact["id"])
    assert found["metadata"]["mime_type"] == "application/pdf"
    assert found["size"] == len(data)
    window = script.store.blobs.read(found["blob"], 5_000_000, 100)
    assert window == data[5_000_000:5_000_100]
    assert hashlib.sha256(script.store.blobs.get(found["blob"])).digest() == (
        hashlib.sha256(data).digest()
    )


# Whose ----------------------------------------------------------------------------------


def test_only_an_active_session_takes_and_loses_artifacts(script: Script) -> None:
    made = script.call("session.create")
    artifact = stored(script, session=made)
    script.call("session.suspend_other", session=made)
    with pytest.raises(EffectFailed, match=rf"{made} is suspended; .*Session\.resume it first"):
        stored(script, session=made)
    with pytest.raises(EffectFailed, match="is suspended"):
        script.call("artifact.delete", session=made, id=artifact)
    assert content(script, artifact, session=made) == {"content": "hello"}
    script.call("session.complete", session=made)
    with pytest.raises(EffectFailed, match=r"is completed; .*it has ended"):
        stored(script, session=made)


def test_artifacts_of_foreign_sessions_are_out_of_reach(
    script: Script, store: Store, tmp_path: Path
) -> None:
    stranger = Script(store, tmp_path, name="stranger")
    artifact = stored(stranger)
    for name, args in (
        ("artifact.store", {"name": "a", "content": "x"}),
        ("artifact.get", {"id": artifact}),
        ("artifact.get_content", {"id": artifact}),
        ("artifact.delete", {"id": artifact}),
        ("artifact.verify", {"id": artifact}),
        ("artifact.list", {}),
        ("artifact.versions", {"name": "a.txt"}),
    ):
        with pytest.raises(PermissionDenied, match="this script does not act as session"):
            script.call(name, session=stranger.id, **args)
    with pytest.raises(PermissionDenied, match="does not act"):
        script.call("artifact.query", filter={"session_id": stranger.id})
    with pytest.raises(PermissionDenied, match=f"belongs to session {stranger.id}, not to"):
        content(script, artifact)
    assert script.call("artifact.query") == []


def test_an_artifact_is_read_as_the_session_it_belongs_to(script: Script) -> None:
    made = script.call("session.create")
    artifact = stored(script, session=made)
    with pytest.raises(PermissionDenied, match="give the session it belongs to"):
        content(script, artifact)
    assert content(script, artifact, session=made) == {"content": "hello"}


@pytest.mark.parametrize("text", ["nonsense", "a/b", "{id}/9/00000000", "{id}/x/y"])
def test_an_unknown_id_is_named(script: Script, text: str) -> None:
    text = text.format(id=script.id)
    with pytest.raises((ArtifactNotFound, PermissionDenied, KeyError), match=r"Artifact\.get"):
        script.call("artifact.get", id=text)


# Finding ---------------------------------------------------------------------------------


@pytest.fixture
def shelf(script: Script) -> str:
    """A second session; with the script's own it has five artifacts. Returns its id."""
    stored(script, "Report.txt", "x" * 10, options={"tags": ["q4"], "description": "the year"})
    stored(script, "report.json", {"a": 1}, options={"tags": ["q4", "raw"], "type": "ToolResult"})
    stored(script, "notes.md", "x" * 500)
    made = str(script.call("session.create", name="other"))
    stored(script, "other.txt", "x" * 20, session=made, options={"tags": ["q4"]})
    stored(script, "z.bin", b"\xff" * 1000, session=made)
    return made


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ["notes.md", "report.json", "Report.txt"]),
        ({"tags": ["q4"]}, ["report.json", "Report.txt"]),
        ({"tags": ["q4", "raw"]}, ["report.json"]),
        ({"artifact_type": "tool_result"}, ["report.json"]),
        ({"type": "UserInput"}, ["notes.md", "Report.txt"]),
        ({"name": "notes.md"}, ["notes.md"]),
        ({"name_pattern": "REPORT"}, ["report.json", "Report.txt"]),
        ({"name_pattern": "*.md"}, ["notes.md"]),
        ({"mime_type": "text/*"}, ["notes.md", "Report.txt"]),
        ({"min_size": 10, "max_size": 100}, ["Report.txt"]),
        ({"text": "YEAR"}, ["Report.txt"]),
        ({"created_after": 4102444800}, []),
        ({"created_before": "2999-01-01"}, ["notes.md", "report.json", "Report.txt"]),
        ({"sort": "name"}, ["notes.md", "report.json", "Report.txt"]),
        ({"sort": "size", "desc": False, "limit": 1}, ["report.json"]),
        ({"sort": "size", "limit": 1, "offset": 1}, ["Report.txt"]),
    ],
)
def test_artifacts_of_a_session_are_found_by_filters(
    script: Script, shelf: str, filters: dict[str, Any], expected: list[str]
) -> None:
    assert [it["name"] for it in script.call("artifact.list", filter=filters)] == expected


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, ["z.bin", "other.txt", "notes.md", "report.json", "Report.txt"]),
        ({"tags": ["q4"], "sort": "name"}, ["other.txt", "report.json", "Report.txt"]),
        ({"sort": "size", "limit": 2, "offset": 1}, ["notes.md", "other.txt"]),
        ({"sort": "name", "desc": True, "limit": 2}, ["z.bin", "Report.txt"]),
    ],
)
def test_a_query_looks_into_all_sessions_the_script_acts_as(
    script: Script, shelf: str, filters: dict[str, Any], expected: list[str]
) -> None:
    assert [it["name"] for it in script.call("artifact.query", filter=filters)] == expected


def test_a_query_can_name_one_session(script: Script, shelf: str) -> None:
    found = script.call("artifact.query", filter={"session_id": shelf})
    assert [it["name"] for it in found] == ["z.bin", "other.txt"]
    assert found[0]["session_id"] == shelf
    assert found[0]["id"]["id"].startswith(shelf)


def test_a_wrong_filter_is_named(script: Script) -> None:
    with pytest.raises(UsageError, match=r"Artifact\.list: there is no filter 'tag'; did you mean"):
        script.call("artifact.list", filter={"tag": "x"})
    with pytest.raises(UsageError, match=r"Artifact\.query: min_size must be an integer"):
        script.call("artifact.query", filter={"min_size": "1k"})


# Deleting and verifying ------------------------------------------------------------------


def test_deleting_twice_is_an_error_and_shared_content_stays(script: Script) -> None:
    first, second = stored(script, "a", "same"), stored(script, "b", "same")
    script.call("artifact.delete", id=first)
    with pytest.raises(ArtifactNotFound, match=f"there is no artifact {first}"):
        script.call("artifact.delete", id=first)
    assert content(script, second) == {"content": "same"}
    assert script.call("session.stats")["artifact_bytes"] == 4


def test_damaged_content_is_found_out(script: Script, store: Store) -> None:
    data = random.Random(1).randbytes(600_000)
    artifact = stored(script, "a.bin", data)
    assert script.call("artifact.verify", id=artifact) == {"intact": True}
    digest = blake3(data).hexdigest()
    file = store.path / "objects" / digest[:2] / digest
    file.chmod(0o600)
    file.write_bytes(data[:-1] + b"!")
    found = script.call("artifact.verify", id=artifact)
    assert found["intact"] is False
    assert digest in found["error"]


# Limits ----------------------------------------------------------------------------------


def test_a_session_without_program_refuses_what_exceeds_its_limits(script: Script) -> None:
    made = script.call("session.create", limits={"artifacts": 2, "artifact_bytes": 10})
    stored(script, "a", "12345", session=made)
    with pytest.raises(EffectFailed, match=r"artifact_bytes .* have 5 of 10 bytes, and 6 more"):
        stored(script, "b", "123456", session=made)
    second = stored(script, "b", "12345", session=made)
    with pytest.raises(EffectFailed, match=r"limit artifacts .* has 2 of 2 artifacts"):
        stored(script, "c", "", session=made)
    script.call("artifact.delete", session=made, id=second)
    stored(script, "c", "54321", session=made)


def test_a_session_without_program_takes_so_many_changes(script: Script) -> None:
    made = script.call("session.create", limits={"operations": 3})
    first = stored(script, "a", "1", session=made)
    script.call("state.set", scope=f"session:{made}", key="k", value=1)
    script.call("session.add_tag", session=made, tag="full")
    for change in (
        lambda: stored(script, "b", "1", session=made),
        lambda: script.call("artifact.delete", session=made, id=first),
        lambda: script.call("state.set", scope=f"session:{made}", key="k", value=2),
        lambda: script.call("state.delete", scope=f"session:{made}", key="k"),
        lambda: script.call("session.remove_tag", session=made, tag="full"),
    ):
        with pytest.raises(EffectFailed, match=r"limit operations .* took 3 changes"):
            change()
    assert script.call("state.get", scope=f"session:{made}", key="k") == 1
    assert script.call("session.stats", session=made)["operations"] == 3
    script.call("session.complete", session=made)


@pytest.mark.parametrize(
    ("limit", "field"), [("max_duration", "created_at"), ("max_idle_time", "updated_at")]
)
def test_a_session_without_program_takes_changes_for_so_long(
    script: Script, store: Store, limit: str, field: str
) -> None:
    made = script.call("session.create", **{limit: 60})
    stored(script, "a", "1", session=made)
    record = store.sessions.get(made)
    times = {"updated_at": record.updated_at, field: getattr(record, field) - 61_000_000}
    store.sessions.update(record.key, **times)
    with pytest.raises(EffectFailed, match=f"limit {limit} of session .* 61"):
        stored(script, "b", "1", session=made)
    assert script.call("artifact.list", session=made)[0]["name"] == "a"


def test_the_running_program_is_stopped_by_its_limits(store: Store, tmp_path: Path) -> None:
    script = Script(store, tmp_path, limits={"artifacts": 1})
    stored(script)
    with pytest.raises(LimitReached) as stopped:
        stored(script)
    assert stopped.value.limit == "artifacts"
    assert store.sessions.get(script.session.key).artifacts == 1


# Forks -----------------------------------------------------------------------------------


def test_a_fork_reads_its_copy_by_the_originals_id(
    script: Script, store: Store, tmp_path: Path
) -> None:
    artifact = stored(script)
    fork = Script(store, tmp_path, name="fork")
    fork.aliases = {script.id: fork.id}
    stored(fork)
    found = fork.call("artifact.get", id=artifact)
    assert found["id"]["id"] == artifact
    fork.call("artifact.delete", id=artifact)
    assert content(script, artifact) == {"content": "hello"}


def test_a_fork_knows_a_parent_by_the_originals_id(
    script: Script, store: Store, tmp_path: Path
) -> None:
    fork = Script(store, tmp_path, name="fork")
    fork.aliases = {script.id: fork.id}
    parent = stored(fork)
    child = fork.call("artifact.derive", id=parent, name="b.txt", content="b")
    found = fork.call("artifact.get", id=child["id"])
    assert found["metadata"]["parent_artifact"] == parent
    assert parent.startswith(script.id)
    (own,) = store.artifacts.versions(fork.session.key, "b.txt")
    assert own.parent_artifact == parent.replace(script.id, fork.id)


# Deriving --------------------------------------------------------------------------------


def test_a_derived_artifact_knows_where_it_came_from(script: Script) -> None:
    parent = stored(script, "data.csv", "a,b", type="ToolResult")
    child = script.call(
        "artifact.derive", id=parent, name="data.json", content={"a": 1},
        options={"tags": ["cooked"], "by": "hand"},
    )  # fmt: skip
    metadata = script.call("artifact.get", id=child["id"])["metadata"]
    assert metadata["parent_artifact"] == parent
    assert metadata["artifact_type"] == "ToolResult"
    assert (metadata["tags"], metadata["custom"]) == (["cooked"], {"by": "hand"})
    assert metadata["mime_type"] == "application/json"
    assert metadata["event"] == script.number - 1


def test_only_what_is_there_can_be_derived_from(
    script: Script, store: Store, tmp_path: Path
) -> None:
    parent = stored(script)
    script.call("artifact.delete", id=parent)
    with pytest.raises(ArtifactNotFound, match=r"Artifact\.derive: there is no artifact"):
        script.call("artifact.derive", id=parent, name="b", content="x")
    foreign = stored(Script(store, tmp_path, name="stranger"))
    with pytest.raises(PermissionDenied, match=r"Artifact\.derive: .* belongs to session"):
        script.call("artifact.derive", id=foreign, name="b", content="x")
    made = script.call("session.create")
    script.call("session.suspend_other", session=made)
    with pytest.raises(EffectFailed, match=r"Artifact\.derive: session .* is suspended"):
        script.call("artifact.derive", session=made, id=parent, name="b", content="x")


# Hostile scripts -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["limit", "offset", "min_size", "max_size"])
def test_numbers_that_fit_no_integer_are_refused(script: Script, name: str) -> None:
    stored(script)
    for number in (1e300, -1.0, 0.5, float("inf"), float("nan"), True):
        with pytest.raises(UsageError, match=rf"Artifact\.list: {name} must be an integer"):
            script.call("artifact.list", filter={name: number})
    assert len(script.call("artifact.list", filter={"limit": 2.0**62})) == 1


def test_a_list_that_no_memory_holds_asks_for_a_limit(script: Script) -> None:
    custom = {"padding": "x" * 60_000}
    with script.store.transaction():
        for number in range(600):
            stored(script, f"{number}", "x", options=custom)
    with pytest.raises(EffectFailed, match=r"Artifact\.list: the metadata .* Use limit and offset"):
        script.call("artifact.list")
    with pytest.raises(EffectFailed, match=r"Artifact\.query: the metadata .* Use limit"):
        script.call("artifact.query", filter={"limit": 1000})
    page = script.call("artifact.list", filter={"limit": 200, "offset": 500})
    assert [it["name"] for it in page] == [str(n) for n in range(99, -1, -1)]


def test_metadata_is_bounded(script: Script) -> None:
    for options, problem in (
        ({"description": "x" * 16_385}, "description may have 16384 bytes"),
        ({"tags": [f"t{n}" for n in range(101)]}, "there may be 100 tags, not 101"),
        ({"padding": "x" * 65_536}, "custom fields may have 65536 bytes"),
    ):
        with pytest.raises(UsageError, match=rf"Artifact\.store: {problem}"):
            stored(script, options=options)
    assert script.call("artifact.list") == []


def test_a_table_that_is_too_large_to_be_read_back_as_one_is_refused(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "MAX_VALUE_BYTES", 1000)
    with pytest.raises(UsageError, match="at most 1000 can be stored as a table"):
        stored(script, "t", {"x": "y" * 1000})
    stored(script, "t", "y" * 1000)

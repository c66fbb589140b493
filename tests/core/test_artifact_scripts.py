"""Artifacts in whole scripts: every form of every call, run for real and replayed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import respell
from respell.artifacts.record import ArtifactQuery
from respell.store import Store


def test_every_call_answers_to_both_its_names(script: Any) -> None:
    done = script("""
        for camel, snake in pairs{
            storeFile = "store_file", getContent = "get_content",
        } do
            assert(Artifact[camel] and Artifact[camel] == Artifact[snake], snake)
        end
        for _, name in ipairs{
            "store", "get", "list", "query", "versions", "delete", "derive", "verify",
        } do
            assert(type(Artifact[name]) == "function", name)
        end
        print("both")
    """)
    assert done.session.status == "completed"
    assert script.lines == ["both"]


def test_scripts_written_for_v0_6_0_store_and_read(script: Any, store: Store) -> None:
    done = script("""
        local s = Session.create{name = "old"}
        local id = Artifact.store(s, "tool_result", "result.json", '{"a": 1}', {
            mime_type = "application/json", tags = {"t"}, step = 3, description = "what came",
        })
        assert(#id.content_hash == 64 and id.session_id == s and id.sequence == 1)
        local found = Artifact.get(s, {
            content_hash = id.content_hash, session_id = id.session_id, sequence = id.sequence,
        })
        assert(found.content == '{"a": 1}' and found.metadata.artifact_type == "ToolResult")
        assert(found.metadata.custom.step == 3 and found.metadata.tags[1] == "t")
        Artifact.store(s, "my_type", "plain.txt", "no metadata")
        Session.setCurrent(s)
        local names = {}
        for i, one in ipairs(Artifact.list("")) do
            names[i] = one.name .. "=" .. one.artifact_type
        end
        print(table.concat(names, " "))
        local q = Artifact.query{
            type = "tool_result", name_pattern = "RESULT", tags = {"t"}, limit = 10,
        }
        print(#q, q[1].name, q[1].size, q[1].original_size, q[1].is_compressed)
        Artifact.delete(s, id)
        print(pcall(Artifact.get, s, id))
    """)
    assert done.session.status == "completed", done.session.error
    out = script.lines
    assert out[:2] == ["plain.txt=my_type result.json=ToolResult", "1\tresult.json\t8\t8\tfalse"]
    assert out[2].startswith("false\tmain.lua:")
    assert "there is no artifact" in out[2]
    assert respell.replay(done.session, store=store).identical


def test_an_artifacts_id_is_a_table_that_reads_as_its_text(script: Any) -> None:
    done = script("""
        local id = Artifact.store(nil, "a.txt", "one")
        assert(tostring(id) == id.id and "<" .. id .. ">" == "<" .. id.id .. ">")
        assert(id == Artifact.list()[1].id)
        for _, form in ipairs{id, id.id, Artifact.list()[1], Artifact.versions(nil, "a.txt")[1]} do
            assert(Artifact.getContent(nil, form) == "one")
        end
        print(pcall(Artifact.get, nil, 5))
        print(pcall(Artifact.get, nil, {}))
    """)
    assert done.session.status == "completed", done.session.error
    text = "Artifact.get: id must be what Artifact.store returned, or its text, not a"
    assert [line.split(": ", 1)[1].rstrip() for line in script.lines] == [
        f"{text} number", f"{text} table",
    ]  # fmt: skip


def test_a_draft_is_derived_verified_and_versioned(script: Any, store: Store) -> None:
    done = script("""
        local raw = Artifact.store(nil, "raw.csv", "a,b\\n", {tags = {"raw"}})
        local given = {type = "Report", by = "hand"}
        local first = Artifact.derive(nil, raw, "report", {rows = 1}, given)
        local second = Artifact.derive(nil, raw, "report", {rows = 2})
        assert(Artifact.verify(nil, first) == true)
        assert(Artifact.getContent(nil, second).rows == 2)
        local versions = Artifact.versions(nil, "report")
        assert(versions[2].previous_hash == first.content_hash and versions[1].previous_hash == nil)
        for i, one in ipairs(versions) do
            assert(one.parent_artifact == raw.id)
            print(i, one.version, one.artifact_type, one.metadata.name)
        end
        print(pcall(Artifact.derive, nil, raw, "x", nil))
        print(pcall(Artifact.derive, nil, raw, nil, "x"))
    """)
    assert done.session.status == "completed", done.session.error
    out = script.lines
    assert out[:2] == ["1\t1\treport\treport", "2\t2\tUserInput\treport"]
    assert out[2].endswith("Artifact.derive: content must be a string or a table, not nil")
    assert out[3].endswith("Artifact.derive: name must be a string, not nil")
    assert respell.replay(done.session, store=store).identical


def test_artifacts_of_a_fork_are_derived_from_its_own_copies(script: Any, store: Store) -> None:
    done = script("""
        local raw = Artifact.store(nil, "raw", "one")
        State.set("raw", raw.id)
        Session.suspend()
        local new = Artifact.derive(nil, State.get("raw"), "cooked", "two")
        print(Artifact.get(nil, new).metadata.parent_artifact == raw.id)
    """)
    fork = respell.fork(done.session, store=store, at=done.session.events)
    script.resume(fork)
    script.resume(done.session)
    assert script.lines == ["true", "true"]
    for session in (fork, done.session):
        (cooked,) = store.artifacts.list(ArtifactQuery(session_id=session.id, name="cooked"))
        assert cooked.parent_artifact is not None
        assert store.artifacts.get(cooked.parent_artifact).session_id == session.id


def test_a_file_is_stored_by_its_name_with_type_and_options(
    script: Any, store: Store, tmp_path: Path
) -> None:
    (tmp_path / "notes.md").write_text("# Notes")
    (tmp_path / "folder").mkdir()
    (tmp_path / "two..dots").write_text("x")
    done = script("""
        Artifact.storeFile(nil, "notes.md", {tags = {"t"}})
        Artifact.store_file(nil, "./notes.md", "AgentOutput", {description = "again"})
        Artifact.storeFile(nil, "notes.md", "ToolResult")
        for _, one in ipairs(Artifact.list(nil, {sort = "version", desc = false})) do
            print(one.name, one.version, one.artifact_type, one.mime_type, one.description)
        end
        for _, path in ipairs{"missing.txt", "folder", "two..dots", "/etc/passwd"} do
            print(pcall(Artifact.storeFile, nil, path))
        end
        print(pcall(Artifact.storeFile, nil, "notes.md", {}, {}))
        print(pcall(Artifact.storeFile, nil))
    """)
    assert done.session.status == "completed", done.session.error
    out = script.lines
    assert out[:3] == [
        "notes.md\t1\tUserInput\ttext/markdown\tnil",
        "notes.md\t2\tAgentOutput\ttext/markdown\tagain",
        "notes.md\t3\tToolResult\ttext/markdown\tnil",
    ]
    problems = (
        "missing.txt: No such file", "folder: Is a directory", "no path separator and no '..'",
        "read", "type must be a string, not a table", "path must be a string, not nil",
    )  # fmt: skip
    for line, problem in zip(out[3:], problems, strict=True):
        assert line.startswith("false\tmain.lua:")
        assert problem in line
    assert len(store.artifacts.list()) == 3
    assert respell.replay(done.session, store=store).identical


STORE_FILE = """
import sys
import respell
from respell.artifacts.record import ArtifactQuery

def peak():
    with open("/proc/self/status") as status:
        return int(status.read().partition("VmHWM:")[2].split()[0]) // 1024

with respell.open(sys.argv[1]) as store:
    respell.run("small.lua", store=store)
    before = peak()
    done = respell.run("large.lua", store=store)
    assert done.session.status == "completed", done.session.error
    (record,) = store.artifacts.list(ArtifactQuery(name="large.bin"))
    print(record.size, peak() - before)
"""


@pytest.mark.parametrize("megabytes", [150, pytest.param(1024, marks=pytest.mark.slow)])
def test_a_script_stores_a_large_file_in_little_memory(tmp_path: Path, megabytes: int) -> None:
    with (tmp_path / "large.bin").open("wb") as file:
        for number in range(megabytes):
            file.write(number.to_bytes(4, "big") * (256 * 1024))
    (tmp_path / "small.bin").write_bytes(bytes(9_000_000))
    for name in ("small", "large"):
        (tmp_path / f"{name}.lua").write_text(
            f"local id = Artifact.storeFile(nil, '{name}.bin')\nassert(Artifact.verify(nil, id))"
        )
    done = subprocess.run(
        [sys.executable, "-c", STORE_FILE, "store"],
        cwd=tmp_path, capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    size, grown = map(int, done.stdout.split())
    assert size == megabytes * 1024 * 1024
    assert grown <= 64

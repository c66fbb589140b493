"""`respell stats` and `audit`: what was used, and who did what."""

from __future__ import annotations

import pytest

from command_line import CommandLine, session_of

STORY = """
    for n = 1, 3 do Artifact.store(nil, "part" .. n, ("same "):rep(5000)) end
    pcall(Tool.invoke, "no_such_tool", {})
    print("done")
"""


@pytest.fixture
def ident(respell: CommandLine) -> str:
    """The id of a session that ran."""
    return session_of(respell("run", respell.script(STORY, "story.lua")))


def test_the_numbers_of_a_session(respell: CommandLine, ident: str) -> None:
    told = respell("stats", ident, "--json").json
    assert told["session_id"] == ident
    assert told["effects"]["artifact.store"]["count"] == 3
    assert told["effects"]["tool.invoke"] | {"total_s": 0, "longest_s": 0} == {
        "count": 1, "failed": 1, "open": 0, "total_s": 0, "longest_s": 0,
    }  # fmt: skip
    assert told["success_rate"] == 0.75
    assert told["output_lines"] == 1
    assert (told["artifacts"], told["artifact_sizes"]["dedup_ratio"]) == (3, 3)
    assert told["artifact_sizes"]["compression_ratio"] > 10
    _, screen = respell.on_a_terminal("stats", ident)
    assert "75.0 %" in screen
    assert "artifact.store" in screen


def test_the_numbers_of_the_store(respell: CommandLine, ident: str) -> None:
    told = respell("stats", "--json").json
    assert told["sessions"]["completed"] == 1
    assert told["artifacts"] == 3
    assert told["artifact_bytes"] == 3 * 25_000
    assert told["disk_bytes"] == sum(told["disk"].values()) > 0
    assert "1 completed" in respell("stats").out


def test_who_did_what_stays_known_after_the_session_is_gone(
    respell: CommandLine, ident: str
) -> None:
    respell("archive", ident)
    respell("delete", ident, "--yes")
    told = respell("audit", ident[:8], "--json").json
    assert [entry["action"] for entry in told] == [
        "session.create", "session.complete", "session.archive", "session.delete",
    ]  # fmt: skip
    assert {entry["session_id"] for entry in told} == {ident}
    assert [entry["actor"] for entry in told] == ["cli", ident, "cli", "cli"]
    assert respell("audit", "--limit", "1", "--json").json == told[-1:]


def test_what_was_refused_is_audited(respell: CommandLine) -> None:
    script = respell.script("print(pcall(io.open, '/etc/hostname'))")
    ident = session_of(respell("run", script))
    (entry,) = respell("audit", "--refused", "--json").json
    assert entry["session_id"] == ident
    assert not entry["allowed"]
    assert "/etc/hostname" in entry["target"] + entry["reason"]
    _, screen = respell.on_a_terminal("audit")
    assert "refused" in screen


def test_a_wrong_limit_is_refused(respell: CommandLine, ident: str) -> None:
    assert "1 or more" in respell("audit", "--limit", "0", code=2).err

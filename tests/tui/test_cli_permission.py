"""A script wants something it may not have: on a terminal, the person is asked."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from command_line import CommandLine

READS_TWICE = """
    for _ = 1, 2 do
        local allowed, file = pcall(io.open, args[1])
        print(allowed and file:read("l") or file)
    end
    Session.suspend()
    print(io.open(args[1]):read("l"))
"""


@pytest.fixture
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that scripts may not read by default."""
    path = tmp_path_factory.mktemp("outside") / "note.txt"
    path.write_text("a note\n")
    return path


def test_what_a_person_allows_holds_for_the_session(respell: CommandLine, outside: Path) -> None:
    script = respell.script(READS_TWICE)
    with respell.terminal("run", script, "--", str(outside)) as terminal:
        terminal.wait_for(f"read={outside} [y/N]")
        terminal.type("y\n")
        terminal.wait_for("suspended")
        shown = terminal.end()
    assert shown.count("[y/N]") == 1
    assert shown.count("a note") == 2
    # It is part of the session now, also where nobody can be asked.
    assert respell("resume", "@last").out == "a note\n"
    assert respell("replay", "@last").code == 0
    allowed = [e for e in respell("events", "@last", "--json").json_lines if "allow" in e["name"]]
    assert [e["args"] for e in allowed] == [{"permission": f"read={outside}"}]
    (entry,) = [e for e in respell("audit", "--json").json if e["action"] == "permission.allow"]
    assert entry["target"] == f"read={outside}"


def test_no_is_the_answer_unless_somebody_says_yes(respell: CommandLine, outside: Path) -> None:
    script = respell.script(READS_TWICE)
    with respell.terminal("run", script, "--", str(outside)) as terminal:
        terminal.wait_for("[y/N]")
        terminal.type("\n")
        terminal.wait_for("suspended")
        shown = terminal.end()
    assert shown.count("[y/N]") == 1  # one answer holds for the whole run
    assert shown.count("is not allowed") >= 2
    assert "a note" not in shown


def test_ctrl_c_at_the_question_suspends(respell: CommandLine, outside: Path) -> None:
    script = respell.script(READS_TWICE)
    with respell.terminal("run", script, "--", str(outside)) as terminal:
        terminal.wait_for("[y/N]")
        terminal.type("\x03")
        terminal.wait_for("suspended")
        assert "a note" not in terminal.end()


def test_nobody_is_asked_in_a_pipe_or_where_the_configuration_says_so(
    respell: CommandLine, outside: Path
) -> None:
    script = respell.script(READS_TWICE)
    refused = respell("run", script, "--", str(outside), code=3)
    assert "[y/N]" not in refused.err
    _, shown = respell.on_a_terminal(
        "run", script, "--", str(outside), RESPELL_SECURITY_ASK="false"
    )
    assert "[y/N]" not in shown


def test_what_was_typed_before_the_question_is_no_answer(
    respell: CommandLine, outside: Path
) -> None:
    script = respell.script("""
        print("shall I go on? [y/n]")
        local until_ = os.clock() + 1.5
        while os.clock() < until_ do end
        print(pcall(io.open, args[1]))
    """)
    with respell.terminal("run", script, "--", str(outside)) as terminal:
        terminal.wait_for("[y/n]")
        terminal.type("y\ny\n")
        terminal.wait_for("[y/N]\n")
        terminal.type("n\n")
        shown = terminal.end()
    assert "is not allowed" in shown.rpartition("[y/N]")[2]


def test_a_script_can_not_choose_a_pattern_to_be_allowed(respell: CommandLine) -> None:
    script = respell.script("""
        print(pcall(io.open, "/etc/*"))
        print(io.open("/etc/hostname"))
    """)
    with respell.terminal("run", script) as terminal:
        terminal.wait_for("read=/etc/[*] [y/N]\n")
        terminal.type("y\n")
        terminal.wait_for("read=/etc/hostname [y/N]\n")
        terminal.type("n\n")
        assert "is not allowed" in terminal.end()


def test_the_host_lives_on_while_a_person_thinks(respell: CommandLine, outside: Path) -> None:
    script = respell.script("print(pcall(os.remove, args[1]))")
    with respell.terminal("run", script, "--max-duration", "2", "--", str(outside)) as terminal:
        terminal.wait_for("[y/N]\n")
        ident = respell("list", "--json").json[0]["id"]
        began = time.monotonic()
        while time.monotonic() - began < 2.5:  # the thinking is the point
            assert respell("show", ident, "--json").json["running"]
        terminal.type("y\n")
        shown = terminal.end()
    assert "completed" in shown  # the time of a question is nobody's
    assert not outside.exists()

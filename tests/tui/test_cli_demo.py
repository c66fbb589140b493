"""The demo and the examples do what their words promise."""

from __future__ import annotations

import shlex
from pathlib import Path

from command_line import CommandLine, session_of

REPOSITORY = Path(__file__).parents[2]
EXAMPLES = REPOSITORY / "examples"


def suggested(shown: str) -> list[str]:
    """Return the commands that the demo suggests to try next."""
    lines = [line.strip() for line in shown.partition("Try next:")[2].splitlines()]
    return [line for line in lines if line.startswith("respell ")]


def test_the_demo_runs_anywhere_and_its_suggestions_work(respell: CommandLine) -> None:
    shown = respell("demo")
    assert "respell run" in shown.out
    assert "suspended: publish the report" in shown.err
    assert "identical: " in shown.out
    assert "Approved by you" in shown.out
    assert len(suggested(shown.out)) == 4
    for line in suggested(shown.out):
        code = 4 if line.startswith("respell diff") else 0  # what is refused differs
        respell(*shlex.split(line)[1:], code=code)


def test_the_demo_in_the_repository_reads_the_repository(respell: CommandLine) -> None:
    folder, respell.folder = respell.folder, REPOSITORY
    shown = respell("demo", "--store", str(folder / "other store"))
    assert "README.md" in shown.out
    assert ".lua" in shown.out
    assert not (folder / "store").exists()
    for line in suggested(shown.out)[:1]:
        assert f"--store '{folder}/other store'" in line
        respell(*shlex.split(line)[1:])


def test_hello_greets_whom_it_is_told(respell: CommandLine) -> None:
    script = str(EXAMPLES / "hello.lua")
    assert respell("run", script).out == "Hello, world!\n"
    greeting = respell("run", script, "--input", '{"greeting": "Moin"}', "--", "Ada", "Grace")
    assert greeting.out == "Moin, Ada!\nMoin, Grace!\n"


def test_approval_writes_letters_once_somebody_agreed(respell: CommandLine) -> None:
    ran = respell("run", str(EXAMPLES / "approval.lua"), code=3)
    assert "would write to: Ada, Barbara" in ran.out
    too_much = respell(
        "resume", "@last", "--value", '{"approved": true, "discount": 90}', code=2
    ).err
    assert "90" in too_much
    respell("resume", "@last", "--value", '{"approved": true, "discount": 15}')
    names = {one["name"] for one in respell("artifacts", "list", session_of(ran), "--json").json}
    assert names == {"ada.txt", "barbara.txt"}
    assert "15 % off" in respell("artifacts", "get", "@last", "ada.txt").out


def test_agent_talks_to_a_model_offline(respell: CommandLine) -> None:
    ran = respell("run", str(EXAMPLES / "agent.lua"))
    assert ran.out.splitlines()[:2] == [
        "An apple is 40 cents; we have no bananas.",
        "one t|wo th|ree",
    ]
    assert respell("replay", "@last", "--json").json["identical"] is True


def test_countdown_counts_down(respell: CommandLine) -> None:
    assert respell("run", str(EXAMPLES / "countdown.lua"), "--", "1").out == "1\nnow\n"


def test_words_counts_the_words_of_files(respell: CommandLine) -> None:
    (respell.folder / "text.txt").write_text("one two two\nThree three THREE\n")
    ran = respell("run", str(EXAMPLES / "words.lua"), "--", "text.txt")
    assert ran.out == "    3  three\n    2  two\n    1  one\n"
    (respell.folder / "text.txt").unlink()
    assert respell("replay", "@last", "--json").json["identical"] is True


def test_every_example_is_tested_here() -> None:
    text = Path(__file__).read_text()
    assert all(f'"{example.name}"' in text for example in EXAMPLES.glob("*.lua"))

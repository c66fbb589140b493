"""What the README and the user guide show is what happens."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

from command_line import CommandLine
from guide_pages import HOME, as_seen, blocks, comparable, conversation, lay_out

REPOSITORY = Path(__file__).parents[2]
README = (REPOSITORY / "README.md").read_text()
GUIDE = (REPOSITORY / "docs" / "guide.md").read_text()


def on_a_terminal(respell: CommandLine, words: list[str], expected: list[str]) -> str:
    """Return what a command shows; what stands below a question in the README is typed."""
    with respell.terminal(*words, columns=100, NO_COLOR="1") as terminal:
        for question, answer in pairwise(expected):
            if question.endswith("[y/N]"):
                terminal.wait_for("[y/N]\n")
                terminal.type(f"{answer}\n")
        return terminal.end()


def test_the_session_the_readme_shows_is_true(respell: CommandLine) -> None:
    shutil.copytree(REPOSITORY / "examples", respell.folder / "examples")
    assert_true(respell, README)


def test_the_story_the_guide_tells_is_true(respell: CommandLine) -> None:
    lay_out(GUIDE, respell.folder)
    assert_true(respell, GUIDE)
    (program,) = blocks(GUIDE, "python")
    assert run_python(respell, program).splitlines()[0].endswith("notes.txt has 4 words")


def assert_true(respell: CommandLine, page: str) -> None:
    """Run each command that a page shows, and compare what it shows below it."""
    told = conversation(page)
    assert len(told) >= 8
    for command, expected in told:
        program, *words = shlex.split(command)
        assert program == "respell"
        screen = on_a_terminal(respell, words, expected)
        seen = as_seen(screen.replace(str(respell.folder), HOME))
        assert [comparable(line) for line in seen] == [comparable(line) for line in expected]


def test_the_python_the_readme_shows_works(respell: CommandLine) -> None:
    shutil.copytree(REPOSITORY / "examples", respell.folder / "examples")
    (program,) = blocks(README, "python")
    assert run_python(respell, program) == "True\n"


def run_python(respell: CommandLine, program: str) -> str:
    """Run a program in the folder of the story and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=respell.folder, env=respell.environment,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def test_what_the_readme_links_to_is_there() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (REPOSITORY / target).exists(), target
    for target in re.findall(r"^make (\w+)", "\n".join(blocks(README, "sh")), flags=re.MULTILINE):
        assert re.search(rf"^{target}:", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    assert os.access(REPOSITORY / ".ci" / "run", os.X_OK)

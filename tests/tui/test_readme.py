"""What the README shows is what happens."""

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

REPOSITORY = Path(__file__).parents[2]
README = (REPOSITORY / "README.md").read_text()
HOME = "/home/ada/project"


def blocks(language: str) -> list[str]:
    """Return the README's code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def conversation() -> list[tuple[str, list[str]]]:
    """Return each command the README shows, and the lines it shows below it."""
    shown: list[tuple[str, list[str]]] = []
    for block in blocks("console"):
        for line in block.splitlines():
            if line.startswith("$ "):
                shown.append((line[2:], []))
            else:
                shown[-1][1].append(line)
    return shown


def comparable(line: str) -> str:
    """Return a line without what differs from run to run: ids, times, and cut text."""
    line = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\b[0-9a-f]{8}\b", "ID", line)
    line = re.sub(r"^( +\d+) +\d+\.\d{3}  ", r"\1  TIME  ", line)
    line = re.sub(r"\d+(\.\d+)?(e-\d+)? s\b", "TIME", line)
    if "…" in line:  # where it is cut depends on how long the rest is
        line = " ".join(line.split()[:3])
    return line.rstrip()


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
    told = conversation()
    assert len(told) >= 8
    for command, expected in told:
        program, *words = shlex.split(command)
        assert program == "respell"
        screen = on_a_terminal(respell, words, expected)
        seen = screen.replace(str(respell.folder), HOME).splitlines()
        assert [comparable(line) for line in seen] == [comparable(line) for line in expected]


def test_the_python_the_readme_shows_works(respell: CommandLine) -> None:
    shutil.copytree(REPOSITORY / "examples", respell.folder / "examples")
    (program,) = blocks("python")
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=respell.folder, env=respell.environment,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "True\n"


def test_what_the_readme_links_to_is_there() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (REPOSITORY / target).exists(), target
    for target in re.findall(r"^make (\w+)", "\n".join(blocks("sh")), flags=re.MULTILINE):
        assert re.search(rf"^{target}:", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    assert os.access(REPOSITORY / ".ci" / "run", os.X_OK)

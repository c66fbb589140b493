"""Tab: every command, option and name completes in a real shell."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from command_line import RESPELL, CommandLine
from respell_tui import parser as commands

# What bash does when Tab is pressed: it calls the function with the words in COMP_….
PRESS_TAB = """
eval "$(respell completion bash)"
while IFS= read -r COMP_LINE; do
    COMP_POINT=${#COMP_LINE} COMP_TYPE=9 COMP_KEY=9 COMPREPLY=()
    read -ra COMP_WORDS <<< "$COMP_LINE"
    [[ $COMP_LINE == *" " ]] && COMP_WORDS+=("")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _python_argcomplete respell "${COMP_WORDS[COMP_CWORD]}" ""
    printf '%s\\t' "${COMPREPLY[@]}"
    echo
done
"""


def press_tab(respell: CommandLine, *lines: str) -> list[set[str]]:
    """Return what bash offers behind each of these lines."""
    done = subprocess.run(
        ["bash", "--norc", "-c", PRESS_TAB], input="".join(f"{line}\n" for line in lines),
        capture_output=True, text=True, cwd=respell.folder, timeout=120, check=True,
        env={**respell.environment, "COMP_WORDBREAKS": " \t\n\"'><=;|&(:"},
    )  # fmt: skip
    assert done.stderr == ""
    offered = done.stdout.splitlines()
    assert len(offered) == len(lines)
    return [{word.strip() for word in line.split("\t") if word.strip()} for line in offered]


def parsers() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Yield every command line that leads to a parser."""
    yield "respell", commands.build()
    for name, parser in commands.subcommands(commands.build()).items():
        yield f"respell {name}", parser
        for second, deeper in commands.subcommands(parser).items():
            yield f"respell {name} {second}", deeper


def test_every_command_and_option_completes_in_bash(respell: CommandLine) -> None:
    wanted: dict[str, set[str]] = {}
    for line, parser in parsers():
        if below := commands.subcommands(parser):
            wanted[f"{line} "] = set(below)
        wanted[f"{line} --"] = {
            option for action in parser._actions for option in action.option_strings
            if option.startswith("--")
        }  # fmt: skip
    for (line, words), offered in zip(wanted.items(), press_tab(respell, *wanted), strict=True):
        assert words == offered if line.endswith("--") else words <= offered, line


def test_sessions_and_artifacts_complete(respell: CommandLine) -> None:
    respell("run", respell.script('Artifact.store(nil, "report.md", "x")', "weekly.lua"))
    respell("run", respell.script("Session.suspend()", "strange.lua"), "--name", "a $(touch x)",
            code=3)  # fmt: skip
    ident = respell("list", "--status", "completed", "--json").json[0]["id"]
    odd = respell("list", "--status", "suspended", "--json").json[0]["id"]
    empty, by_name, by_id, artifact, second, choice, status = press_tab(
        respell, "respell show ", "respell resume we", f"respell show {ident[:4]}",
        "respell artifacts get weekly/", "respell artifacts get weekly r",
        "respell events weekly --kind o", "respell list --status su",
    )  # fmt: skip
    assert empty == {"@last", "weekly", odd[:8]}
    assert by_name == {"weekly"}
    assert by_id == {ident[:8]}
    assert artifact == {"weekly/report.md"}
    assert second == {"report.md"}
    assert choice == {"output"}
    assert status == {"suspended"}


def test_where_there_is_no_store_nothing_is_offered_and_nothing_is_made(
    respell: CommandLine,
) -> None:
    (offered,) = press_tab(respell, "respell show we")
    assert offered == set()
    assert not respell.store.exists()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_code_is_one_that_the_shell_understands(respell: CommandLine, shell: str) -> None:
    code = respell("completion", shell).out
    assert "respell" in code
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed here")
    path = respell.folder / "code"
    path.write_text(code)
    checked = subprocess.run([shell, "-n", str(path)], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_an_unknown_shell_is_refused(respell: CommandLine) -> None:
    assert "did you mean zsh?" in respell("completion", "csh", code=2).err


def test_the_command_is_on_the_path_as_respell() -> None:
    assert os.access(RESPELL, os.X_OK)

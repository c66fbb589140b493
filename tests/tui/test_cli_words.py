"""What the command line says about itself, and how it refuses what it does not understand."""

from __future__ import annotations

import argparse
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from command_line import CommandLine
from respell._version import __version__
from respell_tui import parser as commands

DOCS = Path(__file__).parents[2] / "docs" / "cli.md"
HEAVY = {
    "apsw", "asyncio", "blake3", "httpx", "jsonschema", "lupa", "lz4", "msgpack", "platformdirs",
    "respell.engine", "respell.store", "rich", "sqlite3", "textual", "tomlkit",
}  # fmt: skip


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["run", "--help"], []])
def test_help_is_there_before_one_blinks(words: list[str]) -> None:
    program = (
        "import sys\n"
        "from respell_tui.cli import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit as end:\n    assert not end.code, end\n"
        "print('\\n' + ' '.join(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, check=True
    )
    assert HEAVY.isdisjoint(done.stdout.splitlines()[-1].split())


def test_respell_alone_prints_help_where_there_is_no_terminal(respell: CommandLine) -> None:
    said = respell()
    assert said.out == respell("--help").out
    assert "respell demo" in said.out
    assert said.err == ""


def test_the_version_is_told(respell: CommandLine) -> None:
    assert respell("--version").out == f"respell {__version__}\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["lst"], "did you mean list?"),
        (["report.lua"], "did you mean `respell run report.lua`?"),
        (["list", "--sort", "nmae"], "did you mean name?"),
        (["list", "--status", "dead"], "active, suspended, completed, failed, archived"),
        (["run"], "SCRIPT"),
        (["run", "nowhere.lua"], "nowhere.lua"),
        (["run", "nowhere.lua", "a"], "behind --"),
        (["run", __file__, "--tag", "\udcff"], "UTF-8"),
        (["run", __file__, "--tag", ""], "must not be empty"),
        (["run", __file__, "--tag", "t" * 400], "255 bytes"),
        (["run", __file__, "--name", "n" * 300], "255 bytes"),
        (["run", __file__, "--input", '"\\ud800"'], "surrogate"),
        (["resume"], "needs the ID of a session"),
        (["show", "abcd", "--frobnicate"], "--frobnicate"),
        (["list", "--limit", "0"], "1 or more"),
        (["list", "--limit", "1M"], "'1M' is not a whole number such as 10"),
        (["suspend", "abcd", "--wait", "long"], "'long' is not a number of seconds"),
        (["events", "abcd", "--fllow"], "did you mean --follow?"),
        (["list", "--bogus"], "Try `respell list --help`."),
        (["artifacts", "list", "--bogus"], "Try `respell artifacts list --help`."),
        (["run", __file__, "--limit", "operatons=5"], "did you mean operations?"),
    ],
)
def test_a_wrong_word_is_refused_in_one_message(
    respell: CommandLine, words: list[str], said: str
) -> None:
    refused = respell(*words, code=2)
    assert refused.out == ""
    assert refused.err.startswith("respell: ")
    assert said in refused.err


def parsers() -> Iterator[tuple[list[str], argparse.ArgumentParser]]:
    """Yield every command, with the words that call it."""
    for name, parser in commands.subcommands(commands.build()).items():
        below = commands.subcommands(parser)
        if not below:
            yield [name], parser
        for second, deeper in below.items():
            yield [name, second], deeper


def test_every_command_names_a_function_that_exists() -> None:
    for _, parser in parsers():
        module, _, name = parser.get_default("handler").partition(":")
        assert callable(getattr(importlib.import_module(module), name))


def test_every_command_and_option_is_documented() -> None:
    sections: dict[str, str] = {}
    for section in re.split(r"^## ", DOCS.read_text(), flags=re.MULTILINE)[1:]:
        title, _, text = section.partition("\n")
        for name in re.findall(r"`respell ([a-z ]+)`", title):
            sections[name] = text
    for words, parser in parsers():
        text = sections[" ".join(words)]
        for action in parser._actions:
            for option in action.option_strings:
                if option not in ("-h", "--help", "--store"):
                    assert f"`{option}" in text, f"docs/cli.md: {' '.join(words)} {option}"


def test_the_documentation_has_no_command_that_is_not_there() -> None:
    known = {" ".join(words) for words, _ in parsers()}
    titles = re.findall(r"^## (.*)$", DOCS.read_text(), flags=re.MULTILINE)
    documented = {name for title in titles for name in re.findall(r"`respell ([a-z ]+)`", title)}
    assert documented == known


def test_all_commands_explain_themselves(respell: CommandLine) -> None:
    for words, _ in parsers():
        assert respell(*words, "--help").out.startswith("usage: respell " + " ".join(words))


def test_all_help_fits_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for words, one in _all_parsers(commands.build(), ()):
        too_wide = [line for line in one.format_help().splitlines() if len(line) > 80]
        assert too_wide == [], words


def _all_parsers(
    parser: argparse.ArgumentParser, words: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    yield words, parser
    for name, below in commands.subcommands(parser).items():
        yield from _all_parsers(below, (*words, name))

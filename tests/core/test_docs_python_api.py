"""docs/python-api.md: what it shows is what happens, and it leaves no name out."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import respell

PAGE = Path(__file__).parents[2] / "docs" / "python-api.md"
TEXT = PAGE.read_text()

HANDLES = (
    respell.Session, respell.SessionArtifacts, respell.SessionState, respell.SessionBuilder,
)  # fmt: skip


def blocks(language: str) -> list[str]:
    """Return the page's code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, flags=re.MULTILINE | re.DOTALL)


def write_scripts(folder: Path) -> None:
    """Write the Lua scripts that the page shows, by the names in their first lines."""
    for source in blocks("lua"):
        name = re.match(r"-- (\S+\.lua)\n", source)
        assert name is not None, source
        (folder / name[1]).write_text(source)


def test_the_examples_print_what_the_page_says(tmp_path: Path) -> None:
    write_scripts(tmp_path)
    (tmp_path / "page.py").write_text("\n".join(blocks("python")))
    done = subprocess.run(
        [sys.executable, "page.py"], cwd=tmp_path, env=os.environ, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = [line.partition("# → ")[2] for line in (tmp_path / "page.py").read_text().splitlines()]
    assert [line for line in done.stdout.splitlines() if line] == [line for line in told if line]


def test_the_examples_are_well_typed_for_their_users(tmp_path: Path) -> None:
    (tmp_path / "page.py").write_text("\n".join(blocks("python")))
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "c"), "page.py"],
        cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def test_every_public_name_is_on_the_page() -> None:
    for name in respell.__all__:
        assert name == "__version__" or re.search(rf"`(respell\.)?{name}\b", TEXT), name


def public(handle: type) -> list[str]:
    """Return the names that a class defines for its users, itself or by a class of ours."""
    ours = [one for one in handle.__mro__ if one.__module__.startswith("respell.")]
    return [name for one in ours for name in vars(one) if not name.startswith("_")]


@pytest.mark.parametrize("handle", HANDLES, ids=lambda it: it.__name__)
def test_every_method_is_documented_and_on_the_page(handle: type) -> None:
    for name in public(handle):
        member = inspect.getattr_static(handle, name)
        function = member.fget if isinstance(member, property) else member
        assert inspect.getdoc(function), f"{handle.__name__}.{name} has no docstring"
        assert re.search(rf"`{name}`", TEXT), f"{handle.__name__}.{name} is not on the page"


def test_every_parameter_is_documented() -> None:
    functions = [getattr(respell, name) for name in respell.__all__]
    methods = [getattr(handle, name) for handle in HANDLES for name in public(handle)]
    for function in (*functions, *methods):
        if not inspect.isfunction(function):
            continue
        named = [it for it in inspect.signature(function).parameters if it != "self"]
        text = inspect.getdoc(function) or ""
        for name in named:
            told = re.search(rf"^ +{name}: ", text, flags=re.MULTILINE)
            assert told or len(named) == 1, f"{function.__qualname__}: {name} is not explained"

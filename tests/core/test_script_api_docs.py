"""docs/script-api.md has every call that a script can make, and its examples run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import respell
from respell.store import Store

REPOSITORY = Path(__file__).parents[2]
DOCS = (REPOSITORY / "docs" / "script-api.md").read_text()
SHOWN = re.findall(r"^```lua\n(.*?)^```\n\n```text\n(.*?)^```", DOCS, flags=re.M | re.S)

# All tables of functions that plain Lua doesn't have, without the names of the form snake_case
# that stand for others.
ALL_CALLS = """
    local plain = {
      coroutine = 1, debug = 1, io = 1, math = 1, os = 1, package = 1, string = 1, table = 1,
      utf8 = 1, _G = 1, args = 1, ARGS = 1,
    }
    for name, library in pairs(_G) do
      if type(library) == "table" and not plain[name] then
        local known = {}
        for call in pairs(library) do
          local snake = call:gsub("%u", function(letter) return "_" .. letter:lower() end)
          if snake ~= call then known[snake] = true end
        end
        for call in pairs(library) do
          if not known[call] then print(name .. "." .. call) end
        end
      end
    end
"""


def test_every_call_of_every_global_is_on_the_page(script: Any) -> None:
    done = script(ALL_CALLS)
    assert done.session.status == "completed", done.session.error
    assert len(script.lines) > 80
    assert [call for call in script.lines if not re.search(rf"\b{re.escape(call)}\b", DOCS)] == []


def test_every_call_on_the_page_is_one_of_the_script(script: Any) -> None:
    named = set(re.findall(r"`((?:Session|Artifact|State|Utils|JSON|Logger|Replay)\.\w+)", DOCS))
    script("".join(f"if {call} == nil then print('{call}') end\n" for call in sorted(named)))
    assert script.lines == []


def test_every_example_shows_its_output() -> None:
    assert len(SHOWN) == len(re.findall(r"^```lua$", DOCS, flags=re.M)) > 12


@pytest.mark.parametrize(("text", "output"), SHOWN)
def test_an_example_prints_what_is_shown(script: Any, store: Store, text: str, output: str) -> None:
    done = script(text)
    assert done.session.status == "completed", done.session.error
    printed = [
        event.args["text"]
        for event in respell.events(done.session, store=store)
        if event.name == "output.line"
    ]
    assert "".join(f"{line}\n" for line in printed) == output
    assert respell.replay(done.session, store=store).identical


def test_a_refused_file_raises_and_a_missing_one_does_not(script: Any) -> None:
    script("""
        print(io.open("not-there.txt"))
        print(pcall(io.open, "/etc/hostname"))
    """)
    assert script.lines[0].startswith("nil\tnot-there.txt: No such file")
    assert script.lines[1].startswith("false\tmain.lua:3: reading /etc/hostname is not allowed")
    assert script.lines[1].endswith("To allow it: --allow read=/etc/hostname")


def test_the_readme_links_every_page() -> None:
    readme = (REPOSITORY / "README.md").read_text()
    for page in (REPOSITORY / "docs").glob("*.md"):
        assert f"(docs/{page.name})" in readme

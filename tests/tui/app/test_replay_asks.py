"""Questions about all of an execution, and what is shown besides, on the screen of a session."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from textual.widgets import Input

from app_pages import Page
from app_replay import SUM, chooses, does, goes, ran, screen, stands, story
from respell_tui.panes.looks import ThenPane

COROUTINES = """\
local function walk(list)
  return coroutine.wrap(function()
    for i, one in ipairs(list) do
      coroutine.yield(one)
    end
  end)
end
local words = walk({"a", "b"})
local first = words()
State.set("first", first)
print(first)
"""

BYTES = 'State.set("raw", "\\255\\0AB")\nprint("\\255\\27[2Jz")\n'


def test_all_values_of_a_variable_are_seen_over_time(tmp_path: Path) -> None:
    async def tell(it: Page) -> None:
        await goes(it, "3+2")
        await chooses(it, "total")
        await it.press("V")
        await it.shows("Values of total", "4 values", "story.lua:4", "after 2 state.set")
        await it.press("home", "enter")
        await stands(it, "1+5")
        await it.press("L")
        await it.says("total: 0 → 3 by story.lua:4")
        await it.press("L")
        await it.says("total: 3 → 8")
        await it.press("l")
        await it.says("total: 0 → 3 by story.lua:4")

    story(ran(tmp_path, SUM), tell)


def test_lines_are_counted_in_the_background_and_each_time_is_listed(tmp_path: Path) -> None:
    async def tell(it: Page) -> None:
        await it.shows("3×       total = total + price", "12 lines ran")
        screen(it).source.list.go_to(3)
        await it.press("x")
        await it.shows("Line 4 ran 3 times", "1+6", "2+2")
        await it.press("home", "enter")
        await stands(it, "1+6")
        await it.press("h")
        await it.hides("3×")
        await it.press("h")
        await it.shows("3×")

    story(ran(tmp_path, SUM), tell)


def test_the_events_of_a_dry_run_are_its_own(tmp_path: Path) -> None:
    async def tell(it: Page) -> None:
        await goes(it, "4+4")
        await chooses(it, "sum")
        await it.press("u")
        await it.shows("What if sum were")
        await it.press("end", "backspace", "backspace")
        await it.type("99")
        await it.press("enter")
        await it.shows("WHAT IF", "1 Events  of the dry run", "sum is 99")
        await it.hides("sum is 10")
        await it.press("1", "slash")
        await it.type("sum is 99")
        await it.shows("1 of ")
        await it.press("escape", "X")
        await it.shows("REPLAY", "sum is 10")
        await it.hides("of the dry run")

    story(ran(tmp_path, SUM), tell)


def test_other_coroutines_have_stacks_and_variables_of_their_own(tmp_path: Path) -> None:
    async def tell(it: Page) -> None:
        await goes(it, "2+0")
        await it.shows("stack of 1 in the main thread", "coroutine 4  suspended")
        await it.press("3")
        pane = screen(it).variables
        at = next(at for at, row in enumerate(pane.rows) if "coroutine 4" in row.name)
        pane.list.go_to(at)
        await it.press("enter")
        await it.until(lambda: len(pane.rows) > at + 1, "its functions")
        await it.press("down", "enter")
        await it.shows('one = "a"', "stack of 1 in coroutine 4", "the main thread  running")
        await does(it, "n", "line 11")
        await it.shows("stack of 1 in the main thread")

    story(ran(tmp_path, COROUTINES), tell)


def test_bytes_that_are_no_text_are_shown_as_hex(tmp_path: Path) -> None:
    async def tell(it: Page) -> None:
        await it.press("1", "home", "down")
        await it.shows('"4 bytes: ff 00 41', "asked by  story.lua:1")
        await it.press("down")
        await it.shows("text      6 bytes: ff 1b 5b 32")

    story(ran(tmp_path, BYTES), tell)


EDITOR = """\
import pathlib, sys
path = pathlib.Path(sys.argv[-1])
path.write_text(path.read_text().replace({old!r}, {new!r}))
"""


def editor(folder: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str) -> None:
    """Have $EDITOR be a program that replaces one text by another."""
    program = folder / "editor.py"
    program.write_text(EDITOR.format(old=old, new=new))
    monkeypatch.setenv("EDITOR", f"{sys.executable} {program}")
    monkeypatch.delenv("VISUAL", raising=False)


@pytest.mark.parametrize(
    ("where", "old", "new", "comes"),
    [
        ("source", "total + price", "total + 2 * price", "sum is 20"),
        ("variable", "10", "77", "sum is 77"),
    ],
)
def test_a_script_or_a_value_is_changed_in_the_editor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, old: str, new: str, comes: str
) -> None:
    editor(tmp_path, monkeypatch, old, new)

    async def tell(it: Page) -> None:
        monkeypatch.setattr(it.app, "suspend", nullcontext)
        if where == "source":
            await does(it, "g", "line 8")
        else:
            await goes(it, "4+4")
            await chooses(it, "sum")
        await it.press("w")
        await it.shows("WHAT IF", comes)

    story(ran(tmp_path, SUM), tell)


def test_an_outcome_is_changed_in_the_editor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    editor(tmp_path, monkeypatch, "answer", "other")

    source = 'State.set("a", "answer")\nprint("got " .. State.get("a"))\n'

    async def at_get(it: Page) -> None:
        monkeypatch.setattr(it.app, "suspend", nullcontext)
        await it.press("1", "home", "down", "down")
        await it.shows("state.get")
        await it.press("w")
        await it.shows("WHAT IF", "got other")

    story(ran(tmp_path, source), at_get)


def test_no_editor_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDITOR", raising=False)
    monkeypatch.delenv("VISUAL", raising=False)

    async def tell(it: Page) -> None:
        await it.press("w")
        await it.says("neither $VISUAL nor $EDITOR")

    story(ran(tmp_path, SUM), tell)


def test_a_text_is_found_in_the_source(tmp_path: Path) -> None:
    async def tell(it: Page) -> None:
        await does(it, "g", "line 8")
        await it.press("slash")
        await it.type("total")
        await it.press("enter")
        assert screen(it).source.line == 2
        await it.press("full_stop")
        assert screen(it).source.line == 4
        await it.press("comma", "comma")
        assert screen(it).source.line == 7
        await it.press("escape")
        await it.press("full_stop")
        await it.says("nothing is searched for")

    story(ran(tmp_path, SUM), tell)


def test_expressions_are_evaluated_one_after_the_other_and_names_completed(tmp_path: Path) -> None:
    async def tell(it: Page) -> None:
        await goes(it, "3+2")
        await it.press("equals_sign")
        await it.shows("Evaluate in collect, at 3+2")
        await it.type("tot")
        await it.press("tab")
        line = it.app.screen.query_one(Input)
        await it.until(lambda: line.value == "total", "the whole name")
        await it.type("+1")
        await it.press("enter")
        await it.shows("= 9")
        await it.until(lambda: line.value == "", "a line to type in")
        await it.type("prices.p")
        await it.press("tab")
        await it.shows("pear  plum")
        await it.press("up")
        await it.until(lambda: line.value == "total+1", "what was typed before")
        await it.press("ctrl+u")
        await it.type("nothing.at")
        await it.press("enter")
        await it.shows("attempt to index")
        await it.press("escape")
        await it.press("equals_sign")
        await it.shows("= 9", "attempt to index")

    story(ran(tmp_path, SUM), tell)


def test_a_value_is_followed_to_the_effect_that_made_it(tmp_path: Path) -> None:
    source = (
        'local function price()\n  return State.get("price") or 3\nend\n'
        'local text = Tool.invoke("uuid_generator", {operation = "generate"}).result.uuid\n'
        "local shown = text\nprint(shown)\n"
    )

    async def tell(it: Page) -> None:
        await goes(it, "2+2")
        await chooses(it, "shown")
        await it.press("i")
        await it.shows("Where shown comes from", "shown = text", "event 2  tool.invoke")
        await it.press("enter")
        await stands(it, "2+0")

    story(ran(tmp_path, source), tell)


def test_an_artifact_is_read_as_it_was_then(tmp_path: Path) -> None:
    async def tell(it: Page) -> None:
        await it.press("6")
        await it.shows("sum.txt")
        pane = screen(it).query_one(ThenPane)
        pane.list.go_to(pane.list.count - 1)
        await it.press("enter")
        await it.shows("sum.txt v1", "The sum is 10")
        await it.press("escape")
        pane.list.go_to(1)
        await it.press("enter")
        await it.shows('"plum"')

    story(ran(tmp_path, SUM), tell)


def test_another_session_is_chosen_to_compare_with(tmp_path: Path) -> None:
    store = ran(tmp_path, SUM.replace("plum = 2", "plum = 4"), name="other")
    ran(tmp_path, SUM)

    async def tell(it: Page) -> None:
        await it.press("d")
        await it.shows("Compare story with", "other", "8 events")
        await it.press("enter")
        await it.shows("sum is 12", "sum is 10")
        await it.press("escape")
        await it.shows("REPLAY")

    story(store, tell)


def test_there_must_be_another_session_to_compare_with(tmp_path: Path) -> None:
    async def tell(it: Page) -> None:
        await it.press("d")
        await it.says("there is no other session to compare with: F makes one")

    story(ran(tmp_path, SUM), tell)


def test_how_the_screen_looks_is_remembered(tmp_path: Path) -> None:
    store = ran(tmp_path, SUM)

    async def tell(it: Page) -> None:
        await goes(it, "4+4")
        await it.press("W")
        await it.shows("expression")
        await it.type("1 + sum")
        await it.press("enter")
        await it.shows("watches")
        await it.press("h", "1", "f", "v", "5", "z")
        await it.hides("1 Events")

    story(store, tell)

    async def again(it: Page) -> None:
        await it.hides("1 Events")
        assert it.focused is not None
        assert it.focused.number == 5
        await it.press("escape")
        await it.shows("5 Output", "No event failed: f shows all", "watches")
        assert screen(it).events.shown_as == "flat"
        assert not screen(it).shows_hits

    story(store, again, at="4+4")


def test_sessions_are_gone_to_by_name(tmp_path: Path) -> None:
    store = ran(tmp_path, SUM, name="first")
    ran(tmp_path, SUM.replace("apple = 3", "apple = 30"), name="second")

    async def tell(it: Page) -> None:
        await it.shows("sum is 37")
        await it.press("ctrl+p")
        await it.type("first")
        await it.shows("go to first")
        await it.press("enter")
        await it.shows("sum is 10")
        assert len(it.app.screen_stack) == 3
        await it.press("escape")
        await it.lists("second", "first")

    story(store, tell)

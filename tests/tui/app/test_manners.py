"""Nothing that was typed is lost, labels say what is so, and what looks alike is told apart."""

from __future__ import annotations

import asyncio
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from textual.widgets import Input

import respell
from app_pages import SMALL, WIDE, Page, opened
from app_replay import SUM, chooses, does, goes, ran, screen, stands, story
from respell_tui.memory import Memory
from respell_tui.screens.command_line import CommandLine
from respell_tui.screens.form import Form
from respell_tui.screens.replay import Replay
from respell_tui.widgets import bars
from respell_tui.widgets.bars import KeyBar


def keys(it: Page) -> str:
    """Return the last line of the screen."""
    return it.text.splitlines()[-1]


def typed(it: Page) -> str:
    """Return what stands in the line that is typed into."""
    assert isinstance(it.app.focused, Input), it.app.focused
    return it.app.focused.value


# What was typed ----------------------------------------------------------------------------


def test_a_command_that_fails_stays_in_its_line_to_be_mended(tmp_path: Path) -> None:
    async def tell(it: Page) -> None:
        await it.press("colon")
        await it.type("99")
        await it.press("enter")
        await it.shows("there is no event 99; the session has events 1 to 8")
        assert typed(it) == "99", "the debugger knew that it is wrong, after the line was closed"
        await it.press("backspace", "backspace")
        await it.hides("there is no event")
        await it.type("3+1")
        await does(it, "enter", "3+1")

        await it.press("colon")
        await it.type("breakpointt")
        await it.press("enter")
        await it.shows("there is no command 'breakpointt'; ctrl+p finds all there are")
        await it.press("backspace", "enter")
        await it.shows("that may be breakpoint.condition, breakpoint.toggle, breakpoint.list")
        await it.type(".list")
        await it.press("enter")
        await it.says("there are no breakpoints")

        await it.press("colon")
        await it.type("discard")
        await it.press("enter")
        await it.shows("nothing is different from what was recorded")
        assert isinstance(it.app.screen, CommandLine)
        assert typed(it) == "discard"
        await it.press("escape")
        await it.hides("nothing is different")

    story(ran(tmp_path, SUM), tell)


def test_a_condition_that_is_no_lua_is_asked_for_again_and_takes_nothing_away(
    tmp_path: Path,
) -> None:
    async def tell(it: Page) -> None:
        await does(it, "g", "line 8")
        await it.press("2")
        screen(it).source.list.go_to(3)
        await it.press("b")
        await it.says("breakpoint 1 at line 4")
        await it.press("ctrl+e")
        await it.shows("Breakpoint at line 4")
        await it.type("total >")
        await it.press("ctrl+o")
        await it.shows("'total >' is no Lua expression")
        assert typed(it) == "total >"
        assert 4 in screen_below(it).breakpoints, "what was there before is there still"
        await it.type(" 5")
        await it.press("ctrl+o")
        await it.says("story.lua:4 if total > 5")
        await does(it, "c", "3+2")
        await it.shows("total = 8")

    story(ran(tmp_path, SUM), tell)


def screen_below(it: Page) -> Replay:
    """Return the screen of the session that a dialog stands over."""
    return next(one for one in it.app.screen_stack if isinstance(one, Replay))


def test_a_value_that_is_no_lua_is_asked_for_again(tmp_path: Path) -> None:
    async def tell(it: Page) -> None:
        await goes(it, "4+4")
        await chooses(it, "sum")
        await it.press("u")
        await it.shows("What if sum were")
        await it.press("end")
        await it.type(" +")
        await it.press("enter")
        await it.shows("is no expression")
        assert typed(it) == "10 +"
        await it.type(" 1")
        await it.press("enter")
        await it.shows("WHAT IF", "sum = 11")

    story(ran(tmp_path, SUM), tell)


def test_what_was_written_in_the_editor_and_refused_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first time the editor breaks the script, the second time it mends that."""
    program = tmp_path / "editor.py"
    program.write_text(
        "import pathlib, sys\n"
        "path = pathlib.Path(sys.argv[-1])\n"
        "text = path.read_text()\n"
        "broken = 'total + + price' in text\n"
        "path.write_text(text.replace('+ +', '+ 2 *') if broken"
        " else text.replace('total + price', 'total + + price'))\n"
    )
    monkeypatch.setenv("EDITOR", f"{sys.executable} {program}")
    monkeypatch.delenv("VISUAL", raising=False)

    async def tell(it: Page) -> None:
        monkeypatch.setattr(it.app, "suspend", nullcontext)
        await does(it, "g", "line 8")
        await it.press("2", "w")
        await it.says("w opens again what was written")
        await it.shows("unexpected symbol near '+'")
        await it.press("w")
        await it.shows("WHAT IF", "sum is 20")

    story(ran(tmp_path, SUM), tell)


def test_what_is_typed_ahead_of_the_screen_goes_where_it_belongs(tmp_path: Path) -> None:
    """Over a slow line all these keys come at once; the next field has those behind the tab."""

    async def tell(it: Page) -> None:
        await it.press("m")
        await it.until(lambda: isinstance(it.app.screen, Form), "the form")
        driver = it.app._driver
        assert driver is not None
        from textual.events import Key

        for one in ("a", "b", "tab", "c", "d", "enter"):
            driver.send_message(Key(one, one if len(one) == 1 else None))
        await it.says("bookmark ab at")
        await it.press("apostrophe")
        await it.shows("ab  cd")

    story(ran(tmp_path, SUM), tell)


# What the labels say -----------------------------------------------------------------------


@pytest.mark.parametrize("size", [WIDE, SMALL], ids=["wide", "small"])
def test_a_suspended_session_is_called_so_and_no_words_are_cut(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    async def tell(it: Page) -> None:
        title = it.text.splitlines()[0]
        assert "SUSPENDED" in title
        assert "nothing outside is touched" in title
        await does(it, "g", "line 1")
        await it.until(lambda: "REPLAY" in it.text.splitlines()[0], "what is looked at now")
        assert "…" not in it.text.splitlines()[0]

    story(ran(tmp_path, 'print("a")\nprint(Session.suspend { prompt = "go on?" })\n'), tell, size)


def test_on_a_small_screen_a_variable_says_what_can_be_asked_about_it(tmp_path: Path) -> None:
    async def tell(it: Page) -> None:
        await goes(it, "4+4")
        await it.until(lambda: "b break" in keys(it) and "d compare" in keys(it), "a line's keys")
        await chooses(it, "sum")
        wanted = ("n step", "l last change", "i origin", "u what if", "? help", "q quit")
        await it.until(lambda: all(one in keys(it) for one in wanted), "a variable's keys")
        await it.press("question_mark")
        await it.shows("In this pane (variables)", "On this screen: about a value")

    story(ran(tmp_path, SUM), tell, SMALL)


@pytest.mark.parametrize("size", [WIDE, SMALL], ids=["wide", "small"])
def test_a_dry_run_says_how_to_leave_it(tmp_path: Path, size: tuple[int, int]) -> None:
    async def tell(it: Page) -> None:
        await goes(it, "4+4")
        await it.until(lambda: "X discard" not in keys(it), "nothing to discard")
        await chooses(it, "sum")
        await it.press("u", "9", "enter")
        await it.shows("WHAT IF")
        await it.until(lambda: "X discard" in keys(it), "how to leave it")
        await it.press("X")
        await it.until(lambda: "X discard" not in keys(it), "nothing to discard")

    story(ran(tmp_path, SUM), tell, size)


def test_the_end_is_the_end_of_the_list_and_of_the_source(tmp_path: Path) -> None:
    """What is recorded behind the last call is no longer to come; the source is where it ended."""

    async def tell(it: Page) -> None:
        shown = screen(it)
        assert shown.source.line == 14, "the line that wrote the last words"
        assert shown.events._lines.at_end
        bar = shown.scrubber
        assert bar.place(8) == bar._room - 1 == bar.place(bar._at)
        await does(it, "g", "line 8")
        assert not shown.events._lines.at_end

    story(ran(tmp_path, SUM), tell)


def test_a_fork_counts_its_time_from_where_its_history_begins(tmp_path: Path) -> None:
    store = ran(tmp_path, SUM)
    with respell.open(store) as there:
        respell.fork("story", at=5, name="fork", store=there)

    async def tell() -> None:
        async with opened(store) as it:
            await it.until(lambda: len(it.sessions.list.rows) == 2, "two sessions")
            await it.press("down", "enter")
            await stands(it, "end")
            await it.shows("FORK of")
            now = screen(it).now
            assert now is not None
            assert now.began < now.record.created_at
            await it.hides("+0 s")

    asyncio.run(tell())


def test_what_the_app_says_goes_with_a_click_and_hides_no_key_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bars, "FLASH_S", 600.0)  # it goes with the click, not with the time

    async def tell(it: Page) -> None:
        await does(it, "g", "line 8")
        await it.press("y")
        await it.says("copied")
        await it.pilot.click(screen(it).query_one(KeyBar), offset=(2, 0))
        await it.until(lambda: "n step" in keys(it), "the keys")
        await stands(it, "line 8")
        await it.pilot.click(screen(it).query_one(KeyBar), offset=(2, 0))
        await stands(it, "line 10")

    story(ran(tmp_path, SUM), tell)


def test_what_is_open_comes_back_also_where_the_app_was_killed(tmp_path: Path) -> None:
    """It is written down while the app runs, not only in the end."""
    store = ran(tmp_path, SUM)

    async def tell(it: Page) -> None:
        await does(it, "g", "line 8")
        await does(it, "n", "line 10")
        await it.until(lambda: Memory.of(store).position == "1+2", "what is written down")
        assert Memory.of(store).open == screen(it).session_id

    story(store, tell)


def test_the_line_that_is_next_is_seen_on_any_screen(tmp_path: Path) -> None:
    async def tell(it: Page) -> None:
        await goes(it, "4+4")
        for columns, rows in ((40, 10), (80, 24), (60, 12), (120, 40)):
            await it.pilot.resize_terminal(columns, rows)
            await it.shows("▶ print(")

    story(ran(tmp_path, SUM), tell)


# What looks alike --------------------------------------------------------------------------


def test_sessions_of_one_name_are_told_apart_in_the_list(tmp_path: Path) -> None:
    script = tmp_path / "trip.lua"
    script.write_text('print("to " .. (... or "nowhere"))')
    with respell.open(tmp_path / "store") as store:
        for city in ("Oslo", "Rome"):
            respell.run(script, args=[city], store=store, name="trip")
        respell.run(script, store=store, name="trip")
        respell.run(script, args=["Oslo"], store=store, name="alone")
        first = respell.list_sessions(store=store)[-1]
        for _ in range(2):
            respell.fork(first.id, at=2, store=store)

    async def tell() -> None:
        async with opened(tmp_path / "store") as it:
            await it.until(lambda: len(it.sessions.list.rows) == 6, "all of them")
            await it.press("T")
            await it.hides("as a tree")
            said = {row.id: row.apart for row in it.sessions.list.rows}
            by_name: dict[str, list[str]] = {}
            for row in it.sessions.list.rows:
                by_name.setdefault(row.record.name, []).append(said[row.id])
            assert by_name["alone"] == [""]
            assert by_name["trip"] == ["without arguments", "Rome", "Oslo"]
            times = by_name["trip (fork)"]
            assert all(":" in one and "at" not in one for one in times), "made at the same place"
            await it.shows("trip  Rome", "trip  without arguments")

    asyncio.run(tell())

"""The screen of one session, used as a person uses it: forwards, backwards, and otherwise."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import respell
from app_pages import SMALL, WIDE, Page, opened
from app_replay import SUM, does, ran, screen, stands, story

HOSTILE = """\
local evil = "[bold]x[/] \\27[2J\\27]52;c;eA==\\7 \\u{202e}gpj.exe " .. ("w"):rep(5000)
local wide = "\\u{4f60}\\u{597d}\\u{0301} \\0\\255"
State.set("[red]key\\27[31m", evil)
print(evil)
print(wide)
error(evil)
"""


def test_a_session_is_gone_through_forwards_and_backwards(tmp_path: Path) -> None:
    async def tell(it: Page) -> None:
        await it.shows("REPLAY", "nothing outside is touched", "lifecycle.complete")
        await does(it, "g", "line 8")
        await does(it, "n", "line 10")
        await does(it, "n", "line 11")
        await does(it, "s", "line 2")
        await it.shows("locals of collect", "stack of 2")
        await does(it, "o", "line 12")
        await it.shows("sum = 10")
        await does(it, "S", "line 7")
        await does(it, "O", "line 11")
        await does(it, "e", "2+0")
        await does(it, "e", "3+0")
        await does(it, "E", "2+0")
        await does(it, "G", "end")
        await it.press("n")
        await it.says("this is the end of what is recorded")

    story(ran(tmp_path, SUM), tell)


def test_a_wrong_value_is_traced_to_the_line_that_set_it(tmp_path: Path) -> None:
    async def tell(it: Page) -> None:
        await does(it, "g", "line 8")
        await it.press("colon")
        await it.type("4+3")
        await does(it, "enter", "4+3")
        await it.press("3")
        pane = screen(it).variables
        await it.until(lambda: any(row.name == "total" for row in pane.rows), "total")
        at = next(at for at, row in enumerate(pane.rows) if row.name == "total")
        pane.list.go_to(at)
        await it.press("l")
        await it.says("total: 8 → 10 by story.lua:4")
        await it.shows("after event 3")

    story(ran(tmp_path, SUM), tell)


CHUNK = """\
local f = load("local a = ...\\nlocal b = a + 1\\nreturn b", "=made")
print(f(1))
"""


def test_a_chunk_that_load_made_is_gone_through_as_a_file_is(tmp_path: Path) -> None:
    async def tell(it: Page) -> None:
        await does(it, "g", "line 1")
        await does(it, "s", "line 2")
        await does(it, "s", "line 1")
        await it.shows("made#", "local a = ...", "return b")
        await does(it, "s", "line 2")
        await it.press("2")
        screen(it).source.list.go_to(2)
        await it.press("b")
        await it.says("breakpoint 1 at line 3")
        await does(it, "S", "line 1")
        await does(it, "c", "line 3")
        await it.press("v")
        await it.shows("story.lua", "3 lines")
        await it.press("escape")
        await does(it, "G", "end")
        await does(it, "C", "line 3")
        await it.shows("local b = a + 1")

    story(ran(tmp_path, CHUNK), tell)


def test_breakpoints_work_in_both_directions_and_are_kept(tmp_path: Path) -> None:
    store = ran(tmp_path, SUM)

    async def tell(it: Page) -> None:
        await does(it, "g", "line 8")
        await it.press("2")
        screen(it).source.list.go_to(3)
        await it.press("b")
        await it.says("breakpoint 1 at line 4")
        await does(it, "c", "1+6")
        await does(it, "c", "2+2")
        await does(it, "C", "1+6")
        await it.press("B")
        await it.shows("story.lua:4")
        await it.press("escape")

    story(store, tell)

    async def again(it: Page) -> None:
        await does(it, "c", "2+2")
        await it.press("b")
        await it.says("no breakpoint at line 4 any more")

    story(store, again, at="1+6")


def test_what_is_looked_at_is_as_it_was_then(tmp_path: Path) -> None:
    async def tell(it: Page) -> None:
        await it.press("6")
        await it.shows("last", '"plum"', "sum.txt")
        await it.press("5")
        await it.shows("sum is 10")
        await it.press("g")
        await it.shows("Nothing was written by now")
        await it.press("colon")
        await it.type("3")
        await does(it, "enter", "3+0")
        await it.press("6")
        await it.shows('"pear"')
        assert "sum.txt" not in it.text.split("6 State")[1]

    story(ran(tmp_path, SUM), tell)


def test_an_expression_is_evaluated_and_watched(tmp_path: Path) -> None:
    async def tell(it: Page) -> None:
        await it.press("colon")
        await it.type("5")
        await does(it, "enter", "5+0")
        await it.press("equals_sign")
        await it.shows("Evaluate")
        await it.type("sum*3")
        await it.press("enter")
        await it.shows("= 30")
        await it.press("escape")
        await it.press("W")
        await it.shows("expression")
        await it.press("end", *["backspace"] * 20)
        await it.type("sum+1")
        await it.press("enter")
        await it.shows("watches", "sum+1 = 11")

    story(ran(tmp_path, SUM), tell)


def test_a_bookmark_is_kept_with_a_note(tmp_path: Path) -> None:
    async def tell(it: Page) -> None:
        await it.press("colon")
        await it.type("4")
        await does(it, "enter", "4+0")
        await it.press("m")
        await it.shows("Bookmark")
        await it.type("here")
        await it.press("enter")
        await it.type("look again")
        await it.press("enter")
        await it.says("bookmark here at 4+0")
        await does(it, "g", "line 8")
        await it.press("apostrophe")
        await it.shows("look again")
        await it.press("enter")
        await stands(it, "4+0")

    story(ran(tmp_path, SUM), tell)


def test_another_value_is_tried_forked_with_and_compared(tmp_path: Path) -> None:
    store = ran(tmp_path, SUM)

    async def tell(it: Page) -> None:
        await it.press("colon")
        await it.type("4+4")
        await does(it, "enter", "4+4")
        await it.press("3")
        pane = screen(it).variables
        pane.list.go_to(next(at for at, row in enumerate(pane.rows) if row.name == "sum"))
        await it.press("u")
        await it.shows("What if sum were")
        await it.press("end", "backspace", "backspace")
        await it.type("99")
        await it.press("enter")
        await it.shows("WHAT IF", "nothing is performed")
        await it.press("G")
        await it.until(lambda: screen(it).moment.stop.at_end, "the end")  # type: ignore[union-attr]
        await it.press("d")
        await it.shows("as recorded", "output.line sum is 10", "output.line sum is 99")
        await it.press("escape")
        await it.press("F")
        await it.shows("Fork at")
        await it.press("enter")
        await it.says("forked to")
        await it.shows("FORK of", "r goes on with it")
        await it.press("escape")
        await it.shows("WHAT IF", "esc home")
        await it.press("X")
        await it.shows("REPLAY")

    story(store, tell)
    with respell.open(store) as there:
        made, original = respell.list_sessions(store=there)
        assert made.forked_from is not None
        assert made.forked_from.id == original.id
        assert made.status == "suspended"
        assert len(list(respell.events(original.id, store=there))) == 8


def test_events_are_searched_and_chosen(tmp_path: Path) -> None:
    async def tell(it: Page) -> None:
        await it.press("1", "slash")
        await it.type("pear")
        await it.shows("1 of 8")
        await it.press("enter")
        await it.press("home", "enter")
        await stands(it, "3+0")
        await it.press("escape")
        await it.shows("lifecycle.start")
        await it.press("f")
        await it.shows("0 of 8", "failed only")

    story(ran(tmp_path, SUM), tell)


def test_a_small_screen_shows_one_pane_at_a_time_below_the_source(tmp_path: Path) -> None:
    async def tell(it: Page) -> None:
        await it.press("g")
        await it.shows("3 Variables  4 Event  5 Output  6 State", "locals of main chunk")
        await it.press("4")
        await it.shows("arguments")
        await it.hides("locals of main chunk")
        await it.press("z")
        await it.hides("1 Events")
        await it.press("escape")
        await it.shows("1 Events")

    story(ran(tmp_path, SUM), tell, SMALL)


def test_keys_that_are_held_down_leave_no_queue(tmp_path: Path) -> None:
    lines = "local n = 0\nfor i = 1, 400 do\n  n = n + i\nend\nprint(n)\n"

    async def tell(it: Page) -> None:
        await does(it, "g", "line 1")
        for _ in range(60):
            await it.pilot.press("s")
        shown = screen(it)
        assert shown._next is None or shown._moving
        await it.until(lambda: not shown._moving, "rest")
        moment = shown.moment
        assert moment is not None
        assert 2 <= moment.position.steps <= 62

    story(ran(tmp_path, lines), tell)


@pytest.mark.parametrize("size", [WIDE, SMALL], ids=["wide", "small"])
def test_hostile_text_is_inert_in_every_pane(tmp_path: Path, size: tuple[int, int]) -> None:
    async def tell(it: Page) -> None:
        for key in ("1", "2", "3", "4", "5", "6"):
            await it.press(key)
            await it.pilot.pause()
            assert not {"\x1b", "\x07", "\u202e", "\x00"} & set(it.text)
        await it.press("E", "E")
        await stands(it, "3+0")
        await it.press("3")
        await it.shows("evil")
        assert not {"\x1b", "\x07", "\u202e", "\x00"} & set(it.text)

    story(ran(tmp_path, HOSTILE), tell, size)


def test_a_session_without_a_program_shows_its_history(tmp_path: Path) -> None:
    with respell.open(tmp_path / "store") as store:
        respell.create(store=store, name="plain")

    async def told() -> None:
        async with opened(tmp_path / "store") as it:
            await it.lists("plain")
            await it.press("enter")
            await it.shows("opening the debugger failed", "has no program of its own")
            await it.press("n")
            await it.until(lambda: "program" in it.said, "the reason")

    asyncio.run(told())

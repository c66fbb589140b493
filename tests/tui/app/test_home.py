"""The first screen, used as a person uses it."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input

import respell
from app_pages import Page, opened
from respell.sessions.session import Session
from respell_tui.panes.sessions import SessionsPane
from respell_tui.work import Job

QUESTION = """
local answer = Session.suspend{
  prompt = "send them?",
  schema = {type = "object", required = {"approved"}, properties = {
    approved = {type = "boolean"}, discount = {type = "integer", minimum = 0, maximum = 50},
    how = {enum = {"by post", "by mail"}}}},
}
print(answer.approved, answer.discount, answer.how)
"""

ENDLESS = """
-- Ends by itself some day, should a test forget it.
for n = 1, 2000 do State.set("n", n); Utils.sleep(0.02) end
"""


def a_store(path: Path, *names: str) -> Path:
    with respell.open(path) as store:
        for name in names:
            respell.create(store=store, name=name, tags=[name[0]])
    return path


def ran(folder: Path, source: str, name: str = "story", **more: object) -> Path:
    """Run a script to its end or its question, and return the store's folder."""
    script = folder / f"{name}.lua"
    script.write_text(source)
    path = folder / "store"
    with respell.open(path) as store:
        respell.run(script, store=store, name=name, **more)
    return path


def the_session(path: Path, name: str) -> Session:
    """Return the session of a name; its store stays open."""
    return respell.session(name, store=respell.open(path))


async def state(it: Page, name: str, word: str) -> None:
    """Wait until a session is in some state."""
    await it.until(
        lambda: any((row.record.name, row.state) == (name, word) for row in it.sessions.list.rows),
        f"{name} {word}",
    )


# Finding -----------------------------------------------------------------------------------


def test_sessions_are_listed_and_found(tmp_path: Path) -> None:
    store = a_store(tmp_path / "store", "apple", "pear", "plum")

    async def story() -> None:
        async with opened(store) as it:
            await it.lists("plum", "pear", "apple")
            await it.press("slash", "p", "e")
            await it.lists("pear")
            await it.shows("1 of 3")
            await it.press("escape")
            await it.lists("plum", "pear", "apple")
            await it.press("slash")
            await it.type("!")
            await it.press("number_sign", "p", "enter")
            await it.lists("apple")

    asyncio.run(story())


def test_what_others_do_in_the_store_shows_up(tmp_path: Path) -> None:
    path = a_store(tmp_path / "store", "first")

    async def story() -> None:
        async with opened(path) as it:
            await it.lists("first")
            with respell.open(path) as store:
                respell.create(store=store, name="second")
            await it.lists("second", "first")
            assert it.sessions.row is not None
            assert it.sessions.row.record.name == "first", "the cursor stays on its session"
            with respell.open(path) as store:
                respell.session("first", store=store).delete()
            await it.lists("second")

    asyncio.run(story())


def test_the_order_is_chosen_and_a_fork_stands_below_its_original(tmp_path: Path) -> None:
    path = ran(tmp_path, "print(1)\nprint(2)\n", "b")
    a_store(path, "a", "c")

    async def story() -> None:
        async with opened(path) as it:
            await it.lists("c", "a", "b")
            await it.press("end", "F", *["tab"] * 2)
            await it.type("copy")
            await it.press("enter")
            await it.lists("c", "a", "b", "copy")
            assert "└ copy" in it.session_lines[3]
            await it.press("S", "S")
            await it.says("by name")
            await it.lists("a", "b", "copy", "c")
            await it.press("T")
            await it.until(lambda: "└" not in it.text.partition("2 Session")[0])

    asyncio.run(story())


def test_only_what_failed(tmp_path: Path) -> None:
    path = ran(tmp_path, "error('no luck')", "bad")
    a_store(path, "fine")

    async def story() -> None:
        async with opened(path) as it:
            await it.lists("fine", "bad")
            await it.press("f")
            await it.lists("bad")
            await it.shows("failed only", "no luck")
            await it.press("escape")
            await it.lists("fine", "bad")

    asyncio.run(story())


# Running -----------------------------------------------------------------------------------


def test_the_first_start_says_what_to_press_and_runs_the_demo(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path / "store") as it:
            await it.shows("No sessions yet.", "runs the built-in example")
            await it.press("D")
            await state(it, "demo", "suspended")
            await it.shows("waits for", "report.md")
            await it.press("r")
            await it.shows("approved*")
            await it.press("space")
            await it.press("ctrl+o")
            await state(it, "demo", "completed")

    asyncio.run(story())


def test_a_question_is_answered_in_a_form_made_from_its_schema(tmp_path: Path) -> None:
    path = ran(tmp_path, QUESTION)

    async def story() -> None:
        async with opened(path) as it:
            await it.shows("send them?", "answers")
            await it.press("r")
            await it.shows("approved*", "discount", "integer, 0 to 50", "how")
            await it.press("space", "tab", "7", "7", "ctrl+o")
            await it.shows("maximum")
            assert it.app.screen.query("Form") is not None
            await it.press("backspace", "ctrl+o")
            await state(it, "story", "completed")

    asyncio.run(story())
    assert the_session(path, "story").output() == "true\t7\tnil\n"


def test_a_wrong_script_is_refused_where_it_was_typed(tmp_path: Path) -> None:
    async def story() -> None:
        async with opened(tmp_path / "store") as it:
            await it.shows("No sessions yet.")
            await it.press("n")
            await it.shows("Run a script")
            await it.press("ctrl+u")
            await it.type("nowhere.lua")
            await it.press("ctrl+o")
            await it.shows("there is no file 'nowhere.lua'")
            await it.press("escape")
            await it.shows("No sessions yet.")

    asyncio.run(story())


def test_a_script_runs_on_when_the_app_is_closed(tmp_path: Path) -> None:
    script = tmp_path / "endless.lua"
    script.write_text(ENDLESS)
    path = tmp_path / "store"

    async def begin() -> None:
        async with opened(path) as it:
            await it.shows("No sessions yet.")
            await it.press("n")
            await it.shows("Run a script")
            await it.press("ctrl+u")
            await it.type(str(script))
            await it.press("ctrl+o")
            await state(it, "endless", "running")
            await it.press("q")

    async def end() -> None:
        async with opened(path) as it:
            await state(it, "endless", "running")
            await it.press("p")
            await state(it, "endless", "paused")
            await it.press("p")
            await state(it, "endless", "running")
            await it.press("delete")
            await it.says("it runs: s suspends it first")
            await it.press("s")
            await state(it, "endless", "suspended")

    asyncio.run(begin())
    asyncio.run(end())


def test_a_script_that_fails_at_once_says_so(tmp_path: Path) -> None:
    script = tmp_path / "broken.lua"
    script.write_text("this is no Lua")

    async def story() -> None:
        async with opened(tmp_path / "store") as it:
            await it.shows("No sessions yet.")
            await it.press("n")
            await it.shows("Run a script")
            await it.press("ctrl+u")
            await it.type(str(script))
            await it.press("ctrl+o")
            await it.shows(f"running {script.name}", "syntax error")

    asyncio.run(story())


# Changing ----------------------------------------------------------------------------------


def test_a_session_is_ended_put_away_and_deleted_after_a_question(tmp_path: Path) -> None:
    path = a_store(tmp_path / "store", "one")

    async def story() -> None:
        async with opened(path) as it:
            await it.lists("one")
            await it.press("A")
            await it.says("only what has completed or failed is archived")
            await it.press("X")
            await it.shows("Mark a session as failed")
            await it.type("no use")
            await it.press("enter")
            await state(it, "one", "failed")
            await it.shows("no use")
            await it.press("A", "y")
            await state(it, "one", "archived")
            await it.press("delete", "n")
            await it.lists("one")
            await it.press("delete", "y")
            await it.shows("No sessions yet.")

    asyncio.run(story())


def test_name_and_tags_are_changed(tmp_path: Path) -> None:
    path = a_store(tmp_path / "store", "one")

    async def story() -> None:
        async with opened(path) as it:
            await it.lists("one")
            await it.press("t", "end")
            await it.type("derful")
            await it.press("ctrl+o")
            await it.lists("onederful")

    asyncio.run(story())


def test_a_session_goes_into_a_file_and_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = ran(tmp_path, "print(1)")
    monkeypatch.chdir(tmp_path)

    async def story() -> None:
        async with opened(path) as it:
            await it.lists("story")
            await it.press("x", "ctrl+o")
            await it.says("exported to")
        async with opened(tmp_path / "other") as it:
            await it.shows("No sessions yet.")
            await it.press("i", "ctrl+o")
            await it.lists("story")

    asyncio.run(story())


@pytest.mark.parametrize("what", ["export", "import"])
def test_a_file_that_takes_long_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Escape ends it: nothing is left of an export, and nothing of an import."""
    path = ran(tmp_path, "Artifact.store(nil, 'a.txt', 'some words')")
    monkeypatch.chdir(tmp_path)
    here, go_on = threading.Event(), threading.Event()
    if what == "import":
        with respell.open(path) as store:
            respell.session("@last", store=store).export(tmp_path / "story.respell")
        path = tmp_path / "other"

    def slowly(job: Job, *how_far: Any) -> None:
        here.set()
        assert go_on.wait(30)
        progress(job, *how_far)

    progress = Job.progress
    monkeypatch.setattr(Job, "progress", slowly)

    async def story() -> None:
        async with opened(path) as it:
            await it.shows("story" if what == "export" else "No sessions yet.")
            await it.press("x" if what == "export" else "i", "ctrl+o")
            await it.until(here.is_set, "the work")
            await it.shows(f"{what}ing", "esc cancels")
            await it.press("escape")
            await it.says("was cancelled")
            go_on.set()
            await it.until(lambda: not it.app.screen.query_one(SessionsPane).working(what))

    try:
        asyncio.run(story())
    finally:
        go_on.set()
    if what == "export":
        assert not list(tmp_path.glob("*.respell*"))
    else:
        with respell.open(path) as store:
            assert list(respell.list_sessions(store=store)) == []


def test_of_much_content_the_beginning_is_searched(tmp_path: Path) -> None:
    """A key is answered at once, however long what is shown is: what was searched is said."""
    path = ran(tmp_path, "Artifact.store(nil, 'raw', ('\\0abcdefg'):rep(65536))")

    async def story() -> None:
        async with opened(path) as it:
            await it.shows("hex", "32,768 lines")
            await it.press("4", "slash")
            await it.type("bcd")
            await it.shows("match 1 of 20,000 in the first 20,000 lines")
            await it.type("x")
            await it.shows("'bcdx' is not in the first 20,000 lines")

    asyncio.run(story())


# What was open -----------------------------------------------------------------------------


def test_what_was_open_comes_back(tmp_path: Path) -> None:
    path = a_store(tmp_path / "store", "one", "two", "three")

    async def story() -> None:
        async with opened(path) as it:
            await it.lists("three", "two", "one")
            await it.press("S", "S")
            await it.lists("one", "three", "two")
            await it.press("end")
            await it.until(lambda: it.app.memory.session == it.sessions.list.rows[2].id)
        async with opened(path) as it:
            await it.lists("one", "three", "two")
            assert it.sessions.row is not None
            assert it.sessions.row.record.name == "two"
            await it.press("enter")
            await it.until(lambda: getattr(it.app.screen, "place", "") == "replay")
        async with opened(path) as it:
            await it.until(lambda: getattr(it.app.screen, "place", "") == "replay")
            await it.press("escape")
            await it.lists("one", "three", "two")

    asyncio.run(story())


# Getting around ----------------------------------------------------------------------------


def test_numbers_go_to_panes_z_zooms_and_escape_goes_back(tmp_path: Path) -> None:
    path = a_store(tmp_path / "store", "one")

    async def story() -> None:
        async with opened(path) as it:
            await it.lists("one")
            for number in (3, 4, 2, 1):
                await it.press(str(number))
                assert it.focused is not None
                assert it.focused.number == number
            await it.press("z")
            assert "3 Artifacts" not in it.text
            assert "1 Sessions" in it.text
            await it.press("escape")
            assert "3 Artifacts" in it.text
            await it.press("6")
            await it.says("there is no pane 6 here")
            await it.press("escape")
            await it.says("q quits")

    asyncio.run(story())


def test_a_narrow_screen_shows_one_half_at_a_time(tmp_path: Path) -> None:
    path = a_store(tmp_path / "store", "one")

    async def story() -> None:
        async with opened(path, size=(80, 24)) as it:
            await it.lists("one")
            assert "3 Artifacts" not in it.text
            await it.press("3")
            await it.shows("3 Artifacts")
            assert "1 Sessions" not in it.text
            await it.press("escape")
            await it.shows("1 Sessions")

    asyncio.run(story())


def test_the_command_line_takes_actions_and_sessions(tmp_path: Path) -> None:
    path = a_store(tmp_path / "store", "one", "two")

    async def story() -> None:
        async with opened(path) as it:
            await it.lists("two", "one")
            await it.press("colon")
            await it.type("one")
            await it.press("enter")
            await it.until(lambda: it.sessions.row and it.sessions.row.record.name == "one")
            await it.press("colon")
            await it.type("session.tags")
            await it.press("enter")
            await it.shows("there is no command 'session.tags'")
            await it.press(*["backspace"] * len("tags"))
            await it.hides("there is no command")
            await it.press(*["backspace"] * len("session."))
            await it.type("help")
            await it.press("enter")
            await it.shows("On this screen")

    asyncio.run(story())


def test_help_says_why_something_can_not_be_done(tmp_path: Path) -> None:
    path = a_store(tmp_path / "store", "one")

    async def story() -> None:
        async with opened(path) as it:
            await it.lists("one")
            await it.press("question_mark")
            await it.shows("not now: it has")

    asyncio.run(story())


def test_the_palette_runs_an_action(tmp_path: Path) -> None:
    path = a_store(tmp_path / "store", "one")

    async def story() -> None:
        async with opened(path) as it:
            await it.lists("one")
            await it.press("ctrl+p")
            await it.type("session comp")
            await it.until(lambda: "session: complete" in it.text)
            await it.press("enter")
            await it.shows("Complete a session")

    asyncio.run(story())


def test_the_cursor_of_the_palette_stands_still(tmp_path: Path) -> None:
    path = a_store(tmp_path / "store", "one")

    async def story() -> None:
        async with opened(path) as it:
            await it.press("ctrl+p")
            await it.until(lambda: isinstance(it.app.focused, Input), "the palette")
            assert isinstance(it.app.focused, Input)
            assert not it.app.focused.cursor_blink

    asyncio.run(story())


def test_a_click_chooses_and_a_key_can_be_clicked(tmp_path: Path) -> None:
    path = a_store(tmp_path / "store", "one", "two")

    async def story() -> None:
        async with opened(path) as it:
            await it.lists("two", "one")
            await it.pilot.click("#session-list", offset=(5, 1))
            await it.until(lambda: it.sessions.row and it.sessions.row.record.name == "one")
            await it.pilot.click("KeyBar", offset=(it.text.splitlines()[-1].index("? help"), 0))
            await it.shows("On this screen")

    asyncio.run(story())


def test_a_store_that_is_none_is_told_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "store"
    path.mkdir()
    (path / "store.db").write_bytes(b"no database at all, this is " * 100)

    async def story() -> None:
        async with opened(path) as it:
            await it.shows("reading the sessions failed")

    asyncio.run(story())

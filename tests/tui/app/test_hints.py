"""What the screen says to somebody who has read nothing: keys, labels, and how much there is."""

from __future__ import annotations

import asyncio
from pathlib import Path

import respell
from app_pages import SMALL, Page, opened
from app_replay import SUM, does, ran, screen, story
from respell_tui.panes.artifacts import PreviewLines
from respell_tui.screens.compare import BothSides
from respell_tui.widgets.bars import KeyBar

LAST = -1


def keys(it: Page) -> str:
    """Return the last line of the screen."""
    return it.text.splitlines()[LAST]


# The last line -----------------------------------------------------------------------------


def test_the_way_back_to_the_sessions_is_in_the_last_line(tmp_path: Path) -> None:
    async def tell(it: Page) -> None:
        await it.until(lambda: "esc home" in keys(it), "the way home")
        await it.press("escape")
        await it.lists("story")
        await it.until(lambda: "esc" not in keys(it), "keys of the first screen")

    story(ran(tmp_path, SUM), tell)


def test_on_a_variable_the_last_line_says_what_can_be_asked_about_it(tmp_path: Path) -> None:
    async def tell(it: Page) -> None:
        await does(it, "g", "line 8")
        await does(it, "n", "line 10")
        await it.press("3", "home")
        await it.until(lambda: "u what if" not in keys(it), "no variable")
        await it.press("down")
        wanted = ("l last change", "i origin", "u what if")
        await it.until(lambda: all(one in keys(it) for one in wanted), "what a variable has")
        await it.press("2")
        await it.until(lambda: "t run to" in keys(it) and "u what if" not in keys(it), "a line's")

    story(ran(tmp_path, SUM), tell)


def test_while_words_are_typed_the_last_line_says_what_enter_does(tmp_path: Path) -> None:
    async def tell(it: Page) -> None:
        await it.press("2", "slash")
        await it.until(
            lambda: "enter keeps it" in keys(it) and "n step" not in keys(it), "keys of the search"
        )
        await it.type("total")
        await it.shows("match 1 of 3")
        await it.press("enter", "full_stop")
        await it.shows("match 2 of 3")
        await it.press("comma", "comma")
        await it.shows("match 3 of 3")
        await it.until(lambda: "n step" in keys(it), "the keys of the source")
        await it.press("escape")
        await it.hides("match 3 of 3")

    story(ran(tmp_path, SUM), tell)


def test_a_click_on_the_last_line_keeps_what_was_typed(tmp_path: Path) -> None:
    async def tell(it: Page) -> None:
        await it.press("2", "slash")
        await it.type("total")
        bar = screen(it).query_one(KeyBar)
        await it.pilot.click(bar, offset=(2, 0))
        assert screen(it).focused is screen(it).source.list
        assert screen(it).source.search.value == "total"

    story(ran(tmp_path, SUM), tell)


def test_what_is_paused_goes_on_with_the_key_that_paused_it(tmp_path: Path) -> None:
    """The label says which of the two the key does."""
    from respell_tui.actions import by_id
    from respell_tui.shown.replay import ReplaySituation

    label = by_id("live.pause").now
    assert label is not None
    assert label(ReplaySituation(state="running")) == "hold"
    assert label(ReplaySituation(state="running", held=True)) == "go on"
    assert label(ReplaySituation(state="paused")) == "go on"


# How much there is -------------------------------------------------------------------------


def test_one_line_is_not_called_lines(tmp_path: Path) -> None:
    with respell.open(tmp_path / "store") as store:
        session = respell.create(store=store, name="kept")
        session.artifacts.store("one.txt", "just this")
        session.artifacts.store("two.txt", "this\nand this")

    async def tell() -> None:
        async with opened(tmp_path / "store") as it:
            await it.shows("2 lines")
            await it.press("3", "down")
            await it.shows("1 line ")

    asyncio.run(tell())


def test_on_a_small_screen_it_is_said_how_to_get_to_artifacts_and_back(tmp_path: Path) -> None:
    with respell.open(tmp_path / "store") as store:
        respell.create(store=store, name="kept").artifacts.store("one.txt", "just this")

    async def tell() -> None:
        async with opened(tmp_path / "store", size=SMALL) as it:
            await it.shows("artifacts 1 (3 goes there)")
            await it.press("3")
            await it.until(lambda: "esc sessions" in keys(it), "the way back")
            await it.press("escape")
            await it.until(lambda: "esc sessions" not in keys(it), "the sessions")

    asyncio.run(tell())


def test_a_session_without_artifacts_says_how_one_comes_by_them(tmp_path: Path) -> None:
    with respell.open(tmp_path / "store") as store:
        respell.create(store=store, name="full").artifacts.store("one.txt", "just this")
        respell.create(store=store, name="empty")

    async def tell() -> None:
        async with opened(tmp_path / "store") as it:
            await it.lists("empty", "full")
            await it.shows("This session has kept no artifact.", "Artifact.store")
            await it.press("down")
            await it.shows("one.txt")
            await it.hides("has kept no artifact")

    asyncio.run(tell())


def test_where_nothing_is_yet_the_demo_is_in_the_last_line(tmp_path: Path) -> None:
    async def tell() -> None:
        async with opened(tmp_path / "store") as it:
            await it.until(lambda: "D demo" in keys(it), "the demo")
            with respell.open(tmp_path / "store") as store:
                respell.create(store=store, name="first")
            await it.lists("first")
            await it.until(lambda: "demo" not in keys(it), "keys of a session")

    asyncio.run(tell())


def test_enter_gives_a_content_the_whole_screen_and_o_opens_the_session(tmp_path: Path) -> None:
    with respell.open(tmp_path / "store") as store:
        respell.create(store=store, name="kept").artifacts.store("one.txt", "just this")

    async def tell() -> None:
        async with opened(tmp_path / "store") as it:
            await it.lists("kept")
            await it.until(lambda: "enter open" in keys(it), "enter of the sessions")
            await it.press("3")
            await it.until(lambda: "o open" in keys(it) and "enter open" not in keys(it), "o")
            await it.press("enter", "enter")
            await it.hides("1 Sessions")
            await it.press("enter")
            await it.shows("1 Sessions")

    asyncio.run(tell())


def test_enter_shows_both_sides_of_a_difference_in_full(tmp_path: Path) -> None:
    """The columns have room for the beginning of each."""
    long = "w" * 150
    store = ran(tmp_path, f"print('{long} one')\n", name="other")
    ran(tmp_path, f"print('{long} two')\n")

    async def tell(it: Page) -> None:
        await it.press("d")
        await it.shows("Compare story with")
        await it.press("enter")
        await it.shows("enter both in full")
        await it.press("enter")
        await it.says("nothing more is known of this line")
        view = it.app.screen.query_one(BothSides)
        view.go_to(next(at for at, row in enumerate(view.rows) if "output.line" in row.left))
        await it.press("enter")
        await it.shows("Both sides", "args.text", "www one", "www two")
        await it.press("escape")
        await it.hides("Both sides")

    story(store, tell)


# The list ----------------------------------------------------------------------------------


def test_an_error_in_the_list_begins_with_what_it_says(tmp_path: Path) -> None:
    """The pane below has its place, for which the list has no room."""

    async def tell() -> None:
        async with opened(store) as it:
            await it.lists("story")
            assert "  the till is shut" in it.session_lines[0]
            await it.shows("story.lua:1: the till is shut")
            await it.press("slash")
            await it.type("lua:1")
            await it.lists("story")

    store = ran(tmp_path, "error('the till is shut')\n")
    asyncio.run(tell())


# Forms -------------------------------------------------------------------------------------

QUESTION = """\
Session.suspend{prompt = "send them?", schema = {type = "object", properties = {
  sure = {type = "boolean"}, who = {type = "string", minLength = 3}}}}
"""


def test_a_form_says_its_keys_and_goes_to_what_is_wrong(tmp_path: Path) -> None:
    async def tell() -> None:
        async with opened(store) as it:
            await it.lists("story")
            await it.press("r")
            await it.shows(
                "enter next field   ctrl+o: Resume   esc cancels", "3 characters or more"
            )
            await it.press("y")
            await it.shows("[x] yes")
            await it.press("n")
            await it.shows("[ ] no")
            await it.press("y", "tab")
            await it.type("me")
            await it.press("ctrl+o")
            await it.shows("value who must have at least 3 characters, not 2")
            await it.type("!")
            await it.press("ctrl+o")
            await it.until(lambda: it.sessions.row and it.sessions.row.state == "completed", "end")

    store = ran(tmp_path, QUESTION)
    asyncio.run(tell())


def test_the_cursor_goes_to_the_field_that_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "a.lua").write_text("print(1)")

    async def tell() -> None:
        async with opened(tmp_path / "store") as it:
            await it.press("n")
            await it.shows("Run a script")
            await it.press("ctrl+u", "ctrl+k")
            await it.type(str(tmp_path / "a.lua"))
            await it.press(*["tab"] * 5)
            await it.type("ops=5")
            await it.press("ctrl+o")
            await it.shows("limits: 'ops' is not a limit")
            field = it.app.screen.focused
            assert field is not None
            assert field.id == "field-5"
            await it.press("shift+tab", "shift+tab", "shift+tab")
            await it.type("{no")
            await it.press("tab", "ctrl+o")
            await it.shows("input is not JSON")
            field = it.app.screen.focused
            assert field is not None
            assert field.id == "field-2"

    asyncio.run(tell())


def test_what_failed_is_opened_where_it_did(tmp_path: Path) -> None:
    (tmp_path / "till.lua").write_text("print('hello')\nerror('the till is shut')\n")

    async def tell() -> None:
        async with opened(tmp_path / "store") as it:
            await it.press("n")
            await it.shows("Run a script")
            await it.press("ctrl+u", "ctrl+k")
            await it.type(str(tmp_path / "till.lua"))
            await it.press("ctrl+o")
            await it.shows("running till.lua (", "the script failed", "o Open where it ended")
            await it.hides("its history: respell")
            await it.press("o")
            await it.shows("REPLAY", "line 2 ", "exception")

    asyncio.run(tell())


# Going in ----------------------------------------------------------------------------------


def test_right_opens_a_table_and_left_closes_it(tmp_path: Path) -> None:
    async def tell(it: Page) -> None:
        await does(it, "g", "line 8")
        await does(it, "n", "line 10")
        await does(it, "n", "line 11")
        pane = screen(it).variables
        await it.press("3")
        pane.list.go_to(next(at for at, row in enumerate(pane.rows) if row.name == "prices"))
        await it.press("right")
        await it.until(lambda: any(row.name == "apple" for row in pane.rows), "what is inside")
        await it.press("left")
        await it.until(lambda: all(row.name != "apple" for row in pane.rows), "only the table")

    story(ran(tmp_path, SUM), tell)


def test_the_command_line_says_what_it_takes(tmp_path: Path) -> None:
    async def tell(it: Page) -> None:
        await it.press("colon")
        await it.shows("an event's number, a position such as 12+340, 50%")

    story(ran(tmp_path, SUM), tell)


def test_a_long_help_says_that_it_scrolls(tmp_path: Path) -> None:
    async def tell(it: Page) -> None:
        await it.press("question_mark")
        await it.shows("pgdn scroll   esc closes")

    story(ran(tmp_path, SUM), tell)


COUNTED = """\
print("begin")
for i = 1, 8 do
  State.set("n", i)
  print(i)
end
"""


def test_the_state_is_that_of_the_position_after_there_was_none(tmp_path: Path) -> None:
    """What was painted before the pane had nothing to show is not seen again."""

    async def tell(it: Page) -> None:
        await it.press("6")
        await it.shows("n = 8")
        await it.press("2")
        await does(it, "g", "line 1")
        await it.shows("No state was set")
        screen(it).source.list.go_to(3)
        await it.press("b")
        await does(it, "c", "line 4")
        await it.shows("n = 1")

    story(ran(tmp_path, COUNTED), tell)


def test_the_help_of_a_session_is_in_groups(tmp_path: Path) -> None:
    """At the end of a session moves can't act, and are not behind everything else for that."""

    async def tell(it: Page) -> None:
        await it.press("question_mark")
        await it.shows(
            "On this screen: forwards and back", "Goes to the next line of this function."
        )

    story(ran(tmp_path, SUM), tell, size=(120, 60))


def test_what_is_too_long_for_the_last_line_takes_more_of_them(tmp_path: Path) -> None:
    async def tell() -> None:
        async with opened(tmp_path / "store", size=SMALL) as it:
            await it.shows("No sessions yet.")
            bar = it.app.screen.query_one(KeyBar)
            it.app.flash("word " * 30 + "and the end", "warn")
            await it.shows("the end")
            assert bar.size.height == 3
            await it.press("down")
            await it.until(lambda: bar.size.height == 1, "one line")
            it.app.flash("word " * 300 + "and the end", "warn")
            await it.until(lambda: bar.size.height == 4, "four lines")
            assert keys(it).endswith("…")

    asyncio.run(tell())


def test_what_is_said_in_several_lines_hides_nothing_of_the_line_of_time(tmp_path: Path) -> None:
    async def tell(it: Page) -> None:
        it.app.flash("word " * 30 + "and the end", "warn")
        await it.shows("the end")
        rows = it.text.splitlines()
        assert " of 8 " in rows[-4]
        assert all("word" in row or "the end" in row for row in rows[-3:])

    story(ran(tmp_path, SUM), tell, size=SMALL)


def test_on_a_tiny_screen_what_is_said_takes_one_line(tmp_path: Path) -> None:
    async def tell() -> None:
        async with opened(tmp_path / "store", size=(40, 9)) as it:
            await it.shows("1 Sessions")
            it.app.flash("word " * 30 + "and the end", "warn")
            await it.until(lambda: keys(it).endswith("…"), "what is said")
            assert it.app.screen.query_one(KeyBar).size.height == 1

    asyncio.run(tell())


def test_long_lines_of_a_content_are_folded_and_searched(tmp_path: Path) -> None:
    with respell.open(tmp_path / "store") as store:
        text = "begin " + "x" * 6_000 + " the end"
        respell.create(store=store, name="kept").artifacts.store("one.txt", text)

    async def tell() -> None:
        async with opened(tmp_path / "store") as it:
            await it.shows("begin xxx")
            await it.press("4", "w")
            await it.says("long lines are folded")
            await it.until(lambda: it.app.screen.query_one(PreviewLines).count > 50, "more lines")
            await it.hides("›")
            await it.press("end")
            await it.shows("the end")
            await it.press("home", "slash")
            await it.type("the end")
            await it.shows("match 1 of 1")
            await it.press("enter", "z")
            await it.until(lambda: it.app.screen.query_one(PreviewLines).count < 60, "wider lines")
            await it.press("w")
            await it.until(lambda: it.app.screen.query_one(PreviewLines).count == 1, "one line")

    asyncio.run(tell())

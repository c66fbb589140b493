"""The screen of a session, with all its states and dialogs, as pictures (see test_pictures.py)."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import textual
from textual.pilot import Pilot

import respell
from app_pages import Page
from app_replay import chooses, goes, screen, stands
from app_stores import NOW
from respell.config import load
from respell_tui.app import RespellApp
from respell_tui.panes.looks import ThenPane

DRAWN_BY = "8.2.8"
pytestmark = pytest.mark.skipif(
    textual.__version__ != DRAWN_BY, reason=f"the pictures were drawn by Textual {DRAWN_BY}"
)
SIZES = pytest.mark.parametrize("size", [(120, 40), (80, 24)], ids=["120x40", "80x24"])
RECORDINGS = Path(__file__).parents[2] / "recordings"
ORDER = "842d4a31-fda7-414a-9e64-70471f7f5c29"
WITHOUT_DISCOUNT = "82d71e7b-d4a9-405d-9ed9-82f9b282f9ae"
IN_THE_LOOP = "6+2"
"""The second item was added up."""

Act = Callable[[Page], Awaitable[None]]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with a store of the name `store`, in the same time zone everywhere."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.chdir(tmp_path)
    with respell.open(tmp_path / "store") as store:
        for name in ("order-without-discount", "order"):
            respell.import_(RECORDINGS / f"{name}.respell", store=store)
    yield tmp_path
    monkeypatch.undo()
    time.tzset()


class Picture:
    """Draws the screen of the session, once something was done there."""

    def __init__(self, compare: Any) -> None:
        self._compare = compare

    def of(
        self, act: Act | None = None, *, at: str = IN_THE_LOOP, shows: tuple[str, ...] = (),
        size: tuple[int, int] = (120, 40), settings: str = "", counted: bool = True,
    ) -> bool:  # fmt: skip
        """Return whether it looks as it did."""
        Path("respell.toml").write_text(settings)
        app = RespellApp(Path("store"), config=load("respell.toml", environ={}),
                         clock=lambda: NOW, watch=False)  # fmt: skip
        app.memory.open, app.memory.position = ORDER, at

        async def before(pilot: Pilot[None]) -> None:
            page = Page(app, pilot)
            await page.until(lambda: len(app.screen_stack) == 3, "the screen of the session")
            await stands(page, at)
            shown = screen(page)
            if act is not None:
                await act(page)
            await page.shows(*shows)
            await page.until(lambda: not shown._moving, "rest")
            if counted:
                await page.until(lambda: shown.source.list.beside.hits, "counted lines")
            await page.until(lambda: not shown.events.working("page"), "events")
            await pilot.pause()

        return bool(self._compare(app, terminal_size=size, run_before=before))


@pytest.fixture
def picture(here: Path, snap_compare: Any) -> Picture:
    """Draws over two recordings of the same script."""
    return Picture(snap_compare)


@pytest.mark.parametrize(
    "size", [(120, 40), (80, 24), (200, 60)], ids=["120x40", "80x24", "200x60"]
)  # fmt: skip
def test_a_session(picture: Picture, size: tuple[int, int]) -> None:
    """In a loop: what the last line changed is marked, what comes later is dim."""

    async def step(it: Page) -> None:
        await it.press("N")
        await stands(it, "5+4")
        await it.press("n")
        await stands(it, IN_THE_LOOP)

    assert picture.of(step, size=size)


@pytest.mark.parametrize("theme", ["light", "contrast", "terminal", "ascii"])
def test_a_session_in_other_clothes(picture: Picture, theme: str) -> None:
    """The same in each theme, and with ASCII signs: a breakpoint, a bookmark, a change."""

    async def mark(it: Page) -> None:
        await goes(it, "5+4")
        await it.press("b")
        await it.says("breakpoint 1")
        await keep_bookmark(it)
        await it.press("n")
        await stands(it, IN_THE_LOOP)

    kind = "icons" if theme == "ascii" else "theme"
    assert picture.of(mark, settings=f'[ui]\n{kind} = "{theme}"')


async def keep_bookmark(it: Page) -> None:
    """Keep a bookmark with a note where one stands."""
    await it.press("m")
    await it.shows("Bookmark")
    await it.type("second item")
    await it.press("enter")
    await it.type("honey is in stock")
    await it.press("enter")
    await it.says("bookmark second item")


@SIZES
def test_its_start(picture: Picture, size: tuple[int, int]) -> None:
    """Before the first line: nothing was written yet, and nothing is behind one."""

    async def start(it: Page) -> None:
        await it.press("g", "5")

    assert picture.of(start, shows=("Nothing was written by now",), size=size)


@SIZES
def test_where_the_time_went(picture: Picture, size: tuple[int, int]) -> None:
    """Events as bars of their time; those behind where one stands are dim."""

    async def bars(it: Page) -> None:
        await it.press("1", "v", "v")
        await it.shows("timeline")
        if size[0] >= 120:
            await it.press("z")

    assert picture.of(bars, size=size)


@SIZES
def test_its_end(picture: Picture, size: tuple[int, int]) -> None:
    """After the last line: all that was written."""

    async def output(it: Page) -> None:
        await it.press("5")

    assert picture.of(output, at="16+1", shows=("order of 3 items",), size=size)


@SIZES
def test_state_and_artifacts_as_they_were(picture: Picture, size: tuple[int, int]) -> None:
    """The state and the artifacts then; what the last step changed is marked."""

    async def then(it: Page) -> None:
        await it.press("6")
        await it.shows("checked")
        await it.press("e")
        await stands(it, "12+0")
        await it.shows("invoice.md")

    assert picture.of(then, at="11+0", size=size)


@SIZES
def test_an_artifact_as_it_was(picture: Picture, size: tuple[int, int]) -> None:
    """The content of an artifact, over the screen."""

    async def show(it: Page) -> None:
        await it.press("6")
        await it.shows("invoice.md")
        pane = screen(it).query_one(ThenPane)
        names = [one.name for one in pane.entries]
        pane.list.go_to(names.index("invoice.md"))
        await it.press("enter")
        await it.shows("invoice.md v1")

    assert picture.of(show, at="16+1", shows=("Missing: bread",), size=size)


@SIZES
def test_an_event_that_failed(picture: Picture, size: tuple[int, int]) -> None:
    """Only events that failed, and why one did."""

    async def failed(it: Page) -> None:
        await it.press("4", "1", "f")
        await it.shows("1 of 17")
        await it.press("home", "enter")
        await stands(it, "9+0")

    assert picture.of(failed, shows=("failed only",), size=size)


@SIZES
def test_events_that_are_searched(picture: Picture, size: tuple[int, int]) -> None:
    """Events with a word in them."""

    async def search(it: Page) -> None:
        await it.press("1", "slash")
        await it.type("honey")

    assert picture.of(search, shows=("1 of 17",), size=size)


def test_no_event_is_like_that(picture: Picture) -> None:
    """Nothing is found: it says what to press."""

    async def search(it: Page) -> None:
        await it.press("1", "slash")
        await it.type("nothing")
        await it.shows("0 of 17")
        await it.press("enter")

    assert picture.of(search, size=(80, 24))


@SIZES
def test_a_text_in_the_source(picture: Picture, size: tuple[int, int]) -> None:
    """What is searched for in the source is marked."""

    async def search(it: Page) -> None:
        await it.press("2", "slash")
        await it.type("total")
        await it.press("enter")

    assert picture.of(search, size=size)


@SIZES
def test_all_values(picture: Picture, size: tuple[int, int]) -> None:
    """The values of a variable over time."""

    async def values(it: Page) -> None:
        await chooses(it, "total")
        await it.press("V")

    assert picture.of(values, shows=("Values of total",), size=size)


def test_values_that_are_no_numbers(picture: Picture) -> None:
    """A few different values have a line each."""

    async def values(it: Page) -> None:
        await goes(it, "7+0")
        await it.press("W")
        await it.shows("expression")
        await it.press("ctrl+u")
        await it.type("item.name")
        await it.press("enter")
        await chooses(it, "item.name")
        await it.press("V")

    assert picture.of(values, shows=("Values of item.name",))


@SIZES
def test_where_a_value_comes_from(picture: Picture, size: tuple[int, int]) -> None:
    """The way back from a value to the effects that it was made of."""

    async def origin(it: Page) -> None:
        await chooses(it, "total")
        await it.press("i")

    assert picture.of(origin, shows=("Where total comes from",), size=size)


@SIZES
def test_each_time_of_a_line(picture: Picture, size: tuple[int, int]) -> None:
    """Every time that a line ran."""

    async def each(it: Page) -> None:
        await it.press("2", "x")

    assert picture.of(each, shows=("Line 24 ran 3 times",), size=size)


@SIZES
def test_evaluating(picture: Picture, size: tuple[int, int]) -> None:
    """Expressions, what they came to, and names that are completed."""

    async def evaluate(it: Page) -> None:
        await it.press("equals_sign")
        await it.shows("Evaluate")
        for text, comes in (("total * 2", "= 32.5"), ("missing.x.y", "attempt to index")):
            await it.press("ctrl+u")
            await it.type(text)
            await it.press("enter")
            await it.shows(comes)
        await it.press("ctrl+u")
        await it.type("item.")
        await it.press("tab")

    assert picture.of(evaluate, shows=("count  name  price",), size=size)


@SIZES
def test_what_if(picture: Picture, size: tuple[int, int]) -> None:
    """The question for another value of a variable."""

    async def ask(it: Page) -> None:
        await chooses(it, "total")
        await it.press("u")

    assert picture.of(ask, shows=("What if total were",), size=size)


def test_another_outcome(picture: Picture) -> None:
    """The question for another outcome of an event."""

    async def ask(it: Page) -> None:
        await it.press("1", "end", "up", "up", "up", "up", "u")

    assert picture.of(ask, shows=("had ended otherwise",), size=(80, 24))


async def try_another_total(it: Page) -> None:
    """Stand in a dry run."""
    await chooses(it, "total")
    await it.press("u")
    await it.shows("What if total were")
    await it.press("ctrl+u")
    await it.type("100")
    await it.press("enter")
    await it.shows("WHAT IF", "of the dry run")
    await stands(it, IN_THE_LOOP)


@SIZES
def test_a_dry_run(picture: Picture, size: tuple[int, int]) -> None:
    """What would have come of another value: nothing is performed."""
    assert picture.of(try_another_total, size=size)


@SIZES
def test_a_dry_run_compared(picture: Picture, size: tuple[int, int]) -> None:
    """Side by side: as recorded, and what if."""

    async def compare(it: Page) -> None:
        await try_another_total(it)
        await it.press("d")

    assert picture.of(compare, shows=("as recorded", "due = 90.0"), size=size, counted=False)


@SIZES
def test_which_session_to_compare_with(picture: Picture, size: tuple[int, int]) -> None:
    """The sessions there are, those of the same script first."""

    async def ask(it: Page) -> None:
        await it.press("d")

    assert picture.of(ask, shows=("Compare tea and honey with",), size=size)


@SIZES
def test_two_sessions(picture: Picture, size: tuple[int, int]) -> None:
    """Two runs of one script side by side."""

    async def compare(it: Page) -> None:
        await it.press("d")
        await it.shows("Compare tea and honey with")
        await it.press("enter")

    assert picture.of(compare, shows=("1 Difference", "due 16.25"), size=size, counted=False)


def test_fork(picture: Picture) -> None:
    """The question for a fork's name."""

    async def ask(it: Page) -> None:
        await it.press("F")

    assert picture.of(ask, shows=("Fork at 6+2",), size=(80, 24))


@SIZES
def test_breakpoints(picture: Picture, size: tuple[int, int]) -> None:
    """Breakpoints of several kinds, and the line of time with a bookmark."""

    async def breakpoints(it: Page) -> None:
        await it.press("b")
        await it.says("breakpoint 1")
        await keep_bookmark(it)
        await it.press("ctrl+b")
        await it.shows("New breakpoint")
        await it.press("tab")
        await it.type("price_of")
        await it.press("enter")
        await it.says("breakpoint 2")
        await it.press("B")

    assert picture.of(breakpoints, shows=("Breakpoints", "price_of"), size=size)


def test_a_condition(picture: Picture) -> None:
    """The question for a breakpoint's condition."""

    async def ask(it: Page) -> None:
        await it.press("2", "ctrl+e")

    assert picture.of(ask, shows=("Breakpoint at line 24",), size=(80, 24))


def test_a_new_breakpoint(picture: Picture) -> None:
    """The question for a breakpoint of another kind."""

    async def ask(it: Page) -> None:
        await it.press("ctrl+b")

    assert picture.of(ask, shows=("New breakpoint",), size=(80, 24))


def test_bookmarks(picture: Picture) -> None:
    """The bookmarks with their notes."""

    async def bookmarks(it: Page) -> None:
        await keep_bookmark(it)
        await it.press("apostrophe")

    assert picture.of(bookmarks, shows=("honey is in stock",), size=(80, 24))


def test_sources(picture: Picture) -> None:
    """The script, and the module it loaded."""

    async def ask(it: Page) -> None:
        await it.press("2", "v")

    assert picture.of(ask, shows=("Sources", "discount.lua"), size=(80, 24))


@SIZES
def test_coroutines(picture: Picture, size: tuple[int, int]) -> None:
    """A coroutine that waits has a stack of its own."""

    async def look(it: Page) -> None:
        await it.press("3")
        pane = screen(it).variables
        await it.until(lambda: pane.rows[-1].text == "suspended", "a coroutine that waits")
        await it.press("end", "enter")
        await it.until(lambda: pane.rows[-1].frame >= 0, "its functions")
        await it.press("end", "enter")
        await it.shows("amount")

    assert picture.of(look, at="11+0", size=size)


@pytest.mark.parametrize("pane", ["1", "2", "3"])
def test_help(picture: Picture, pane: str) -> None:
    """What can be done in each pane."""

    async def ask(it: Page) -> None:
        await it.press(pane, "question_mark")

    assert picture.of(ask, shows=("In this pane",), size=(120, 40))


def test_help_on_a_small_screen(picture: Picture) -> None:
    """The same where there is little room."""

    async def ask(it: Page) -> None:
        await it.press("question_mark")

    assert picture.of(ask, shows=("In this pane",), size=(80, 24))


def test_the_events_alone(picture: Picture) -> None:
    """The events with the whole screen: what came of them, and when."""

    async def zoom(it: Page) -> None:
        await it.press("1", "z")

    assert picture.of(zoom, counted=False)


def test_a_reason_why_not(picture: Picture) -> None:
    """A key that can't act says why."""

    async def press(it: Page) -> None:
        await it.press("n")
        await it.says("this is the end")

    assert picture.of(press, at="16+1", size=(80, 24))


def test_the_palette(picture: Picture) -> None:
    """Actions and sessions by a part of their names."""

    async def ask(it: Page) -> None:
        await it.press("ctrl+p")
        await it.type("disc")
        await it.app.workers.wait_for_complete()

    assert picture.of(ask, shows=("go to without discount", "edits: discard"), size=(80, 24))


def test_the_command_line(picture: Picture) -> None:
    """An event, a position, a share, or an action's name."""

    async def ask(it: Page) -> None:
        await it.press("colon")
        await it.type("50")

    assert picture.of(ask, size=(80, 24))

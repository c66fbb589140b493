"""Everything that keys do, with the mouse alone."""

from __future__ import annotations

from pathlib import Path

from textual.events import MouseScrollDown, MouseScrollUp
from textual.pilot import Pilot

from app_live import replay
from app_pages import SMALL, Page
from app_replay import ran, stands, story

LONG = "local n = 0\n" + "n = n + 1\n" * 60 + 'State.set("n", n)\nprint("n is " .. n)\n'


def spot(it: Page, text: str, *, line: int | None = None) -> tuple[int, int]:
    """Return where a text stands on the screen: column and row."""
    rows = it.text.splitlines()
    for y, row in enumerate(rows):
        if text in row and (line is None or y == line):
            return row.index(text), y
    raise AssertionError(f"no {text!r} on the screen:\n{it.text}")


async def click(it: Page, text: str) -> None:
    """Click on a text, wherever it stands."""
    pilot: Pilot[None] = it.pilot
    await pilot.click(offset=spot(it, text))
    await pilot.pause()


def test_events_panes_tabs_and_keys_are_clicked(tmp_path: Path) -> None:
    async def tell(it: Page) -> None:
        await click(it, "lifecycle.start")
        await it.until(lambda: it.focused and it.focused.number == 1, "pane 1")
        await it.shows("1  lifecycle.start")
        x, y = spot(it, "lifecycle.start")
        await it.pilot.click(offset=(x, y), times=2)
        await it.until(lambda: replay(it).moment.position.event == 1, "event 1")  # type: ignore[union-attr]
        await click(it, "5 Output")
        await it.shows("Nothing was written by now")
        await click(it, "6 State")
        await it.shows("No state was set")
        await click(it, "4 Event")
        await it.shows("arguments")
        await click(it, "2 Source")
        await it.until(lambda: it.focused and it.focused.number == 2, "pane 2")
        await click(it, "? help")
        await it.shows("On this screen")
        await it.press("escape")

    story(ran(tmp_path, LONG), tell)


def test_a_click_beside_a_line_sets_a_breakpoint_and_takes_it_away(tmp_path: Path) -> None:
    async def tell(it: Page) -> None:
        await it.press("g")
        await stands(it, "line 1")
        await it.pilot.click("#source-list", offset=(1, 6))
        await it.says("breakpoint 1 at line 7")
        await it.shows("● 7")
        await it.press("c")
        await stands(it, "line 7")
        await it.pilot.click("#source-list", offset=(0, 6))
        await it.says("no breakpoint at line 7 any more")
        await it.pilot.click(offset=spot(it, "n = n + 1"))
        await it.until(lambda: it.focused and it.focused.number == 2, "pane 2")

    story(ran(tmp_path, LONG), tell)


def test_the_line_of_time_is_clicked_and_dragged(tmp_path: Path) -> None:
    async def tell(it: Page) -> None:
        bar = replay(it).scrubber
        await it.pilot.click(bar, offset=(1, 0))
        await it.until(lambda: replay(it).moment.position.event == 1, "event 1")  # type: ignore[union-attr]
        await it.pilot.mouse_down(bar, offset=(1, 0))
        await it.pilot.hover(bar, offset=(1 + bar.place(2), 0))
        await it.pilot.hover(bar, offset=(1 + bar.place(3), 0))
        await it.pilot.mouse_up(bar, offset=(1 + bar.place(3), 0))
        await it.until(lambda: replay(it).moment.position.event == 3, "event 3")  # type: ignore[union-attr]

    story(ran(tmp_path, LONG), tell)


def test_the_wheel_scrolls_what_it_is_over(tmp_path: Path) -> None:
    async def tell(it: Page) -> None:
        await it.press("g")
        await stands(it, "line 1")
        view = replay(it).source.list
        await it.pilot._post_mouse_events([MouseScrollDown], view, offset=(10, 3), button=0)
        await it.until(lambda: view.scroll_offset.y > 0, "it scrolls down")
        await it.until(lambda: not view.is_scrolling, "rest")
        await it.pilot._post_mouse_events([MouseScrollUp], view, offset=(10, 3), button=0)
        await it.until(lambda: view.scroll_offset.y == 0, "it scrolls up")

    story(ran(tmp_path, LONG), tell)


def test_a_small_screen_is_used_with_the_mouse(tmp_path: Path) -> None:
    async def tell(it: Page) -> None:
        await click(it, "4 Event")
        await it.shows("lifecycle.complete")
        await click(it, "5 Output")
        await it.shows("n is 60")
        await click(it, "3 Variables")
        await it.until(lambda: it.focused and it.focused.number == 3, "pane 3")

    story(ran(tmp_path, LONG), tell, SMALL)

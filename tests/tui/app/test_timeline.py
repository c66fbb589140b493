"""A person asks where the time of a session went."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from textual.widgets import Static

from app_pages import Page
from app_replay import ran, screen, story
from respell_tui.icons import ASCII, UNICODE, Icons
from respell_tui.paint import plain
from respell_tui.shown.history import EventRow
from respell_tui.shown.timeline import Timeline, timeline_line
from respell_tui.text import width


def row(number: int, after_s: float, took_s: float | None = 0.0, **more: object) -> EventRow:
    """Return an event that began at a time and took so long."""
    name = str(more.get("name", "tool.invoke"))
    return EventRow(number, name, "effect", 0, "what it was about", "", False, after_s,
                    depth=int(str(more.get("depth", 0))), ended=took_s is not None,
                    took_s=took_s)  # fmt: skip


def bars(rows: list[EventRow], cells: int = 10) -> list[str]:
    """Return the bars of some events."""
    timeline = Timeline(rows, UNICODE)
    return [plain(timeline.bar(one, cells, "")) for one in rows]


def test_each_bar_is_where_its_time_was() -> None:
    assert bars([row(1, 0, 4), row(2, 4, 4), row(3, 8, 2), row(4, 10)]) == [
        "████", "    ████", "        ██", "         •",
    ]  # fmt: skip


def test_what_takes_hardly_any_time_can_be_seen_still() -> None:
    assert bars([row(1, 0, 1e-6), row(2, 0, 10), row(3, 10, 1e-6)])[0] == "█"


def test_days_of_waiting_do_not_hide_the_rest() -> None:
    day = 86400.0
    found = bars([
        row(1, 0, 5), row(2, 5, day, name="session.suspend"),
        row(3, 5, name="lifecycle.suspend"), row(4, 5 + day, name="lifecycle.resume"),
        row(5, 5 + day, 5),
    ], 22)  # fmt: skip
    assert found == [
        "██████████",
        " " * 10 + "░░",
        " " * 10 + "•",
        " " * 12 + "•",
        " " * 12 + "██████████",
    ]


def test_what_has_not_ended_is_open() -> None:
    assert bars([row(1, 0, 5), row(2, 5, None), row(3, 6, 4)]) == [
        "█████",
        "     ████›",
        "      ████",
    ]


def test_all_at_the_same_time_is_no_time() -> None:
    assert bars([row(1, 3), row(2, 3)]) == ["•", "•"]
    assert plain(Timeline([], UNICODE).axis(50)).split() == ["took", "+0", "s"]


TIMES = st.floats(0, 1e7, allow_nan=False)
ROWS = st.lists(
    st.builds(
        row, st.integers(1, 10**6), TIMES, st.none() | TIMES, depth=st.integers(0, 8),
        name=st.sampled_from(["tool.invoke", "lifecycle.suspend", "lifecycle.resume"]),
    ),
    min_size=1, max_size=30,
)  # fmt: skip


@given(ROWS, st.integers(24, 250), st.sampled_from([UNICODE, ASCII]))
def test_no_line_is_wider_than_the_pane_has_cells(rows: list[EventRow], cells: int,
                                                  icons: Icons) -> None:  # fmt: skip
    timeline = Timeline(rows, icons)
    for one in rows:
        line = timeline_line(one, timeline, icons, cells, places=7, position=5)
        assert width(plain(line)) <= cells
    assert width(plain(timeline.axis(cells))) <= cells


@given(ROWS, st.integers(1, 100))
def test_bars_begin_in_the_order_of_time(rows: list[EventRow], cells: int) -> None:
    timeline = Timeline(rows, UNICODE)
    by_time = sorted(rows, key=lambda one: one.after_s)
    starts = [len(plain(timeline.bar(one, cells, ""))) -
              len(plain(timeline.bar(one, cells, "")).lstrip()) for one in by_time]  # fmt: skip
    assert starts == sorted(starts)
    assert all(0 <= start < cells for start in starts)


def test_the_axis_is_that_of_what_is_seen(tmp_path: Path) -> None:
    """A history is longer than the screen: the bars of a page are as long as can be."""

    async def tell(it: Page) -> None:
        events = screen(it).events
        await it.press("1", "v")
        await it.shows("1 Events  flat")
        await it.press("v")
        await it.shows("1 Events  timeline", "took")
        axis = events.query_one("#event-axis", Static)
        await it.until(lambda: "+" in str(axis.content), "the axis of the end")
        last = str(axis.content)
        await it.press("home")
        await it.until(lambda: str(axis.content) != last, "the axis of the start")
        await it.shows("lifecycle.start")
        await it.press("v")
        await it.hides("  timeline")

    story(ran(tmp_path, "for i = 1, 300 do os.time() end"), tell, at="301+1")

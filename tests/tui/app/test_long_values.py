"""A person wants to see all of a value that is longer than its line."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from app_pages import SMALL, Page
from app_replay import chooses, goes, ran, story
from respell_tui.paint import plain, wrapped
from respell_tui.text import width

LONG = """\
local letter = ("dear reader, " .. ("and so on, "):rep(400) .. "THE END")
local answer = '{"items": [1, 2, {"deep": "inside"}], "more": true}'
local raw = "\\0\\1\\2" .. ("\\27[31mred"):rep(3)
local large = ("x"):rep(3 * 1024 * 1024)
local count = 3
print("done")
"""


def test_a_long_text_is_read_in_a_dialog(tmp_path: Path) -> None:
    async def tell(it: Page) -> None:
        await goes(it, "1+6")
        await chooses(it, "letter")
        await it.press("enter")
        await it.shows("╭─ letter", "dear reader, and so on", "text, 4.3 KiB", "esc closes")
        await it.press("end")
        await it.shows("THE END")
        await it.press("escape")
        await it.hides("THE END")

    story(ran(tmp_path, LONG), tell, size=SMALL)


def test_json_is_laid_out_and_bytes_are_shown_as_hex(tmp_path: Path) -> None:
    async def tell(it: Page) -> None:
        await goes(it, "1+6")
        await chooses(it, "answer")
        await it.press("enter")
        await it.shows('"deep": "inside"', "json, 51 B")
        await it.press("escape")
        await chooses(it, "raw")
        await it.press("enter")
        await it.shows("00000000  00 01 02 1b 5b 33 31 6d", "hex, 27 B")

    story(ran(tmp_path, LONG), tell)


def test_of_a_huge_text_the_beginning_is_read(tmp_path: Path) -> None:
    async def tell(it: Page) -> None:
        await goes(it, "1+6")
        await chooses(it, "large")
        await it.press("enter")
        await it.shows("text, 3.0 MiB, the first 1.0 MiB of 3.0 MiB")

    story(ran(tmp_path, LONG), tell)


def test_there_is_no_more_of_a_number(tmp_path: Path) -> None:
    async def tell(it: Page) -> None:
        await goes(it, "1+6")
        await chooses(it, "count")
        await it.press("enter")
        await it.says("count is no table and no text: there is no more of it")

    story(ran(tmp_path, LONG), tell)


PARTS = st.lists(
    st.tuples(st.text("ab 漢—é", max_size=200), st.sampled_from(["", "bad"])), max_size=8
)


@given(PARTS, st.integers(4, 100))
def test_a_line_is_folded_without_loss(line: list[tuple[str, str]], cells: int) -> None:
    rows = wrapped(line, cells)
    assert all(width(plain(row)) <= cells for row in rows)
    seen = [(sign, role) for row in rows for text, role in row for sign in text if sign != " "]
    assert seen == [(sign, role) for text, role in line for sign in text if sign != " "]

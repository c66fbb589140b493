"""No text from outside steers the terminal, and nothing of it is hidden."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from respell_tui.output import json_text
from respell_tui.text import VisibleStream, fit, one_line, visible, width

CLIPBOARD = "\x1b]52;c;ZXZpbA==\x1b\\"
EVIL = [
    CLIPBOARD,
    "\x1b[2J\x1b[H",
    "\x9b31m",  # CSI as one C1 character
    "\x9d0;title\x9c",
    "safe\rEVIL",
    "a\x08b",
    "\x07\x00\x7f",
    "abc\u202egpj.exe",
    "\u2066hidden\u2069",
    "\u200e\u200f\u061c",
    "\ud83d",  # half of a pair
    "[/nope] [@click=app.quit]",
]


def steers(character: str) -> bool:
    """Whether a terminal would obey it instead of showing it."""
    if character in "\n\t":
        return False
    bidirectional = unicodedata.bidirectional(character)
    return unicodedata.category(character) in ("Cc", "Cs") or bidirectional in (
        "LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI",
    )  # fmt: skip


@pytest.mark.parametrize("text", EVIL)
def test_an_escape_sequence_is_shown_and_not_obeyed(text: str) -> None:
    shown = visible(text)
    assert not any(steers(character) for character in shown)
    assert len(shown) == len(text)
    shown.encode()  # a terminal can be given every character of it


def test_each_control_character_has_a_picture_of_its_own() -> None:
    assert visible("\x1b[31m") == "␛[31m"
    assert visible("\x00\x07\x7f\r") == "␀␇␡␍"
    assert visible("\x9b") == "�"
    assert visible("\u202e") == "�"


def test_honest_text_stays_as_it_is() -> None:
    text = "naïve 日本語 🎉 e\u0301\n\tindented — “quoted” עברית"
    assert visible(text) == text


@given(st.text(st.characters()))
def test_any_text_is_safe_and_keeps_its_length(text: str) -> None:
    shown = visible(text)
    assert len(shown) == len(text)
    assert not any(steers(character) for character in shown)
    assert visible(shown) == shown


@given(st.text(st.characters()))
def test_a_field_stays_on_its_line(text: str) -> None:
    shown = one_line(text)
    assert len(shown) == len(text)
    assert len(shown.splitlines()) <= 1
    assert "\t" not in shown


@given(st.lists(st.binary(max_size=8)))
def test_a_stream_cut_anywhere_shows_the_same_text(pieces: list[bytes]) -> None:
    stream = VisibleStream()
    shown = "".join(stream.feed(piece) for piece in pieces)
    whole = visible(b"".join(pieces).decode("utf-8", "replace"))
    assert whole.startswith(shown)  # the last character may wait for its other bytes
    assert len(whole) - len(shown) <= 3


def test_a_character_cut_in_two_is_shown_once_it_is_complete() -> None:
    stream = VisibleStream()
    first, second = "ä".encode()[:1], "ä".encode()[1:]
    assert stream.feed(b"x" + first) == "x"
    assert stream.feed(second + b"y") == "äy"


@pytest.mark.parametrize(
    ("text", "columns"), [("abc", 3), ("日本", 4), ("e\u0301", 1), ("🎉", 2), ("", 0)]
)
def test_the_width_is_what_a_terminal_needs(text: str, columns: int) -> None:
    assert width(text) == columns


@given(st.text(), st.integers(min_value=0, max_value=30))
def test_a_line_that_was_cut_fits(text: str, columns: int) -> None:
    cut = fit(text, columns)
    assert width(cut) <= columns
    if width(text) <= columns:
        assert cut == text


@given(st.dictionaries(st.text(st.characters()), st.text(st.characters())))
def test_json_is_safe_for_a_terminal_and_means_the_same(value: dict[str, str]) -> None:
    text = json_text(value)
    assert json.loads(text) == value
    assert not any(steers(character) for character in text)

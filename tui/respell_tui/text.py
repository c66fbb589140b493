"""Text from outside, made safe for a terminal.

What scripts print, and every name, prompt, path and error text they had a hand in, can hold
escape sequences: they would move the cursor, rewrite the title or fill the clipboard. No
such character reaches the terminal; each is shown by a sign of its own, one character for
one character, so that offsets stay right and nothing is hidden.
"""

from __future__ import annotations

import codecs
import unicodedata

_REPLACEMENT = 0xFFFD

_BIDI = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))

_VISIBLE: dict[int, int] = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\n\t"},
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), _REPLACEMENT),
    **dict.fromkeys(_BIDI, _REPLACEMENT),
    # Half of a pair, as in the name of a file that is not UTF-8: no terminal can show it.
    **dict.fromkeys(range(0xD800, 0xE000), _REPLACEMENT),
}
_ONE_LINE: dict[int, int] = {
    **_VISIBLE,
    ord("\n"): 0x240A,
    ord("\t"): ord(" "),
    0x2028: _REPLACEMENT,
    0x2029: _REPLACEMENT,
}


def visible(text: str) -> str:
    """Return text with everything that could steer a terminal made visible.

    Control characters except newline and tab become their pictures (`␛`); C1 controls,
    characters that reverse the reading direction and lone surrogates become `�`.
    """
    return text.translate(_VISIBLE)


def one_line(text: str) -> str:
    """Return text for one field of one line: as `visible`, and newlines become `␊`."""
    return text.translate(_ONE_LINE)


class VisibleStream:
    """Makes a stream of bytes visible piece by piece; a character may be cut in two."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes) -> str:
        """Return the text of the next bytes, as far as their characters are complete."""
        return visible(self._decoder.decode(data))


def width(text: str) -> int:
    """Return how many columns a terminal needs for one line of text."""
    if text.isascii():
        return len(text)
    return sum(_columns(character) for character in text)


def fit(text: str, columns: int) -> str:
    """Return a line cut to at most so many columns, with `…` where something was cut."""
    if width(text) <= columns:
        return text
    kept, used = [], 0
    for character in text:
        used += _columns(character)
        if used > columns - 1:
            break
        kept.append(character)
    return "".join(kept) + "…" if columns > 0 else ""


def wrap(text: str, columns: int) -> list[str]:
    """Return a line as several of at most so many columns, broken at blanks where possible."""
    lines: list[str] = []
    rest = text
    while width(rest) > columns:
        end = len(fit(rest, columns + 1)) - 1  # without the sign that something was cut
        blank = rest.rfind(" ", 1, end + 1)
        at = blank if blank * 2 > end else max(end, 1)
        lines.append(rest[:at])
        rest = rest[at:].removeprefix(" ")
    return [*lines, rest]


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1

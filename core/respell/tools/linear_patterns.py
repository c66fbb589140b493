"""Regular expressions from scripts, matched in linear time.

RE2 keeps no stack of what it has yet to try, so no pattern takes years on forty letters. It has
neither look-around nor back-references; everything else is as usual.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from respell.errors import UsageError
from respell.tools.parameters import shortened

MAX_PATTERN_BYTES = 10_000
_MAX_MEMORY = 8 << 20
# States times bytes: where the pattern has too many states to build them all ahead, each byte is
# looked at by each of them. This many take about ten seconds.
_MAX_WORK = 1_000_000_000


class LinearPattern:
    """A regular expression of bytes that are mostly UTF-8.

    Args:
        name: The parameter it comes from, for errors.
        pattern: The expression, or a text to be found as it is.
        literal: It is a text, not an expression.
        case_sensitive: Large letters are not small ones.

    Raises:
        UsageError: It is no expression that RE2 knows, or too long.
    """

    def __init__(
        self, name: str, pattern: str, *, literal: bool = False, case_sensitive: bool = True
    ) -> None:
        import re2  # takes 20 ms, and only some calls need it

        self._name, self._pattern = name, pattern
        options = re2.Options()
        options.literal = literal
        options.case_sensitive = case_sensitive
        options.never_capture = True
        options.max_mem = _MAX_MEMORY
        options.log_errors = False
        data = pattern.encode(errors="surrogatepass")
        if len(data) > MAX_PATTERN_BYTES:
            raise UsageError(
                f"parameter {name} has {len(data)} bytes; a pattern may have {MAX_PATTERN_BYTES}"
            )
        try:
            self._expression: Any = re2.compile(data, options)
        except re2.error as error:
            raise UsageError(
                f"parameter {name}: {shortened(pattern)!r} is no regular expression that is "
                f"known here: {_words(error)}. Look-around and back-references are left out, "
                "see github.com/google/re2/wiki/Syntax"
            ) from None
        self._longest = _MAX_WORK // max(self._expression.programsize, 1)

    def found_in(self, text: bytes) -> bool:
        """Return whether the pattern is found.

        Raises:
            UsageError: The pattern is too complex for a text of this length.
        """
        self._check(text)
        return self._expression.search(text) is not None

    def spans(self, text: bytes) -> Iterator[tuple[int, int]]:
        """Return where the pattern is found, from the left, as offsets of begin and end.

        Raises:
            UsageError: The pattern is too complex for a text of this length.
        """
        self._check(text)
        return (match.span() for match in self._expression.finditer(text))

    def _check(self, text: bytes) -> None:
        if len(text) > self._longest:
            raise UsageError(
                f"parameter {self._name}: {shortened(self._pattern)!r} is too complex for "
                f"{len(text)} bytes at once; use fewer or shorter repeats"
            )


def _words(error: Exception) -> str:
    """Return what RE2 says; its errors carry bytes."""
    reason = error.args[0] if error.args else str(error)
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)

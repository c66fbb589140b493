"""Regular expressions from scripts, searched only where that can't take for ever.

Python's engine backtracks: `(a+)+$` takes years on forty letters, and nothing can stop it.
So the work is bounded from above before the search, by how often a pattern can repeat and
choose; a pattern beyond the bound is refused in words.
"""

from __future__ import annotations

import re
import warnings

from respell.errors import UsageError

MAX_STEPS = 50_000_000

_TOKEN = re.compile(
    r"\\(?P<escaped>.)"
    r"|(?P<letters>\[\^?\]?(?:\\.|[^\]\\])*\])"
    r"|(?P<repeat>[*+]|\{(?P<least>\d*)(?P<comma>,?)(?P<most>\d*)\})[?+]?"
    r"|(?P<optional>\?[?+]?)"
    r"|(?P<open>\((?:\?(?:[aiLmsux-]*:|P<\w+>|<?[=!]|>))?)"
    r"|(?P<close>\))"
    r"|(?P<choice>\|)"
    r"|.",
    re.S,
)


# Verbose patterns and comments hide what a quantifier repeats; (?P=…) is a back-reference.
_OPAQUE = re.compile(r"\(\?(?:[a-zA-Z]*x|P=|#)")


def search(pattern: str, text: str) -> bool:
    """Return whether a pattern from a script is found in a text.

    Raises:
        UsageError: It is no pattern, or searching this text could take too long.
    """
    try:
        with warnings.catch_warnings():
            # Python warns of what a later version might read otherwise; nobody here would see it.
            warnings.simplefilter("ignore", FutureWarning)
            expression = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise UsageError(f"{pattern!r:.100} is no regular expression: {error}") from None
    if steps(pattern, len(text)) > MAX_STEPS:
        raise UsageError(
            f"the pattern {pattern!r:.100} could take too long on {len(text)} characters: "
            "use fewer repeats, and none of a group that repeats or chooses itself"
        )
    return expression.search(text) is not None


def steps(pattern: str, length: int) -> int:
    """Return a bound of the steps that searching a text of this length can take.

    Args:
        pattern: A pattern that compiles.
        length: Of the text, in characters.

    Returns:
        The bound; beyond `MAX_STEPS` it is only said to be beyond.
    """
    too_many = MAX_STEPS + 1
    if _OPAQUE.search(pattern):
        return too_many
    ways = [1]  # in how many ways each open group can match so far
    last = 1  # the same of what a quantifier would repeat
    for token in _TOKEN.finditer(pattern):
        if token["escaped"] and token["escaped"] in "123456789":
            return too_many  # a back-reference
        if token["open"]:
            ways.append(1)
        elif token["close"] and len(ways) > 1:
            last = ways.pop()
            ways[-1] = min(ways[-1] * last, too_many)
            continue
        elif token["choice"] or token["optional"]:
            ways[-1] = min(ways[-1] * 2, too_many)
        elif token["repeat"]:
            ways[-1] = min(ways[-1] * _repeated(token, last, length), too_many)
        last = 1
    return min(ways[-1] * (length + 1), too_many)


def _repeated(token: re.Match[str], once: int, length: int) -> int:
    """Return by how much repeating multiplies the ways of something that has `once`."""
    exact = token["least"] and not token["comma"]
    if once > 1:
        # Each turn can match in several ways: exponential unless it takes few turns.
        turns = int(token["least"]) if exact else 1000
        return once ** max(turns - 1, 0) if turns < 64 else MAX_STEPS + 1
    return 1 if exact else length + 1

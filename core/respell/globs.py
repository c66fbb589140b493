"""Path patterns: `*` and `?` within a name, `**` across folders, `[a-z]` for one character."""

from __future__ import annotations

import functools
import re


def has_wildcard(text: str) -> bool:
    """Return whether there is anything in it but the text itself."""
    return any(character in text for character in "*?[")


def literal(text: str) -> str:
    """Return the pattern that means just this text."""
    return re.sub(r"([*?[])", r"[\1]", text)


def path_matches(pattern: str, path: str) -> bool:
    """Return whether an absolute path is what the pattern names, or lies below it.

    Args:
        pattern: An absolute path, with or without wildcards.
        path: An absolute path.
    """
    prefix = pattern.rstrip("/")
    if path == pattern or path.startswith(prefix + "/"):
        return True
    return has_wildcard(pattern) and _expression(prefix).fullmatch(path) is not None


@functools.lru_cache(maxsize=256)
def _expression(pattern: str) -> re.Pattern[str]:
    parts = [_translate(part) for part in re.findall(r"\*\*|\*|\?|\[[^\]]+\]|.", pattern, re.S)]
    return re.compile("".join(parts) + r"(?:/.*)?", re.S)


def _translate(part: str) -> str:
    if part == "**":
        return ".*"
    if part == "*":
        return "[^/]*"
    if part == "?":
        return "[^/]"
    if len(part) > 1:
        inside = part[1:-1]
        negated = inside[:1] in ("!", "^")
        letters = inside[1:] if negated else inside
        if letters:
            # Escape all but the range sign.
            body = re.sub(r"([\\\[\]^&~|])", r"\\\1", letters)
            return f"[{'^/' if negated else ''}{body}]"
    return re.escape(part)

"""Which keys an action has: those of the table, or those of the configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from respell.errors import ConfigError
from respell_tui.actions import ACTIONS, by_id, nearest

RESERVED: dict[str, str] = {
    "ctrl+c": "the terminal and Textual use it to copy and to stop",
    "ctrl+h": "terminals send it for backspace",
    "ctrl+i": "terminals send it for tab",
    "ctrl+j": "terminals send it for enter",
    "ctrl+m": "terminals send it for enter",
    "ctrl+s": "terminals stop their output at it",
    "ctrl+z": "it sends the program to the background",
}
"""Keys that can't be given to an action, and why."""

_NAMES = {
    "question_mark": "?", "colon": ":", "slash": "/", "escape": "esc", "space": "space",
    "comma": ",", "full_stop": ".", "apostrophe": "'", "left_square_bracket": "[",
    "right_square_bracket": "]", "plus": "+", "minus": "-", "underscore": "_", "up": "↑",
    "down": "↓", "left": "←", "right": "→", "delete": "del", "enter": "enter", "pageup": "pgup",
    "pagedown": "pgdn", "equals_sign": "=", "less_than_sign": "<", "greater_than_sign": ">",
    "exclamation_mark": "!", "asterisk": "*", "number_sign": "#", "dollar_sign": "$",
    "percent_sign": "%", "ampersand": "&", "at": "@", "semicolon": ";", "quotation_mark": '"',
    "backslash": "\\", "circumflex_accent": "^", "grave_accent": "`", "vertical_line": "|",
    "tilde": "~", "left_parenthesis": "(", "right_parenthesis": ")",
    "left_curly_bracket": "{", "right_curly_bracket": "}",
}  # fmt: skip
_SHIFTED = {"f22": "shift+f10", "f23": "shift+f11"}
"""How people call the keys that most terminals send for those."""

_BY_SIGN = {sign: name for name, sign in _NAMES.items() if len(sign) == 1}
_SPECIAL = frozenset((
    "escape", "enter", "tab", "space", "backspace", "delete", "insert", "home", "end", "pageup",
    "pagedown", "up", "down", "left", "right", *(f"f{n}" for n in range(1, 25)),
))  # fmt: skip
_MODIFIED = re.compile(r"((?:ctrl|shift|alt|super)\+)*(.+)", re.DOTALL)


def display(key: str) -> str:
    """Return a key as people call it, e.g. `^p` or `?`."""
    if key in _SHIFTED:
        return _SHIFTED[key]
    if key.startswith("ctrl+"):
        return "^" + display(key.removeprefix("ctrl+"))
    if key.startswith("shift+"):
        return "shift+" + display(key.removeprefix("shift+"))
    return _NAMES.get(key, key)


class Keys:
    """The keys of all actions."""

    def __init__(self, chosen: Mapping[str, tuple[str, ...]] | None = None) -> None:
        """Take what the configuration says.

        Args:
            chosen: Keys by an action's id, as people write them; none takes all its keys away.

        Raises:
            ConfigError: There is no such action or key, or two actions want the same one.
        """
        self._keys = {action.id: action.keys for action in ACTIONS}
        self._chosen: dict[str, tuple[str, ...]] = {}
        for ident, keys in (chosen or {}).items():
            if ident not in self._keys:
                raise ConfigError(
                    f"[keys] {ident}: there is no such action{nearest(ident)}; "
                    "docs/keys.md and `?` in the app list all of them"
                )
            self._chosen[ident] = tuple(_checked(ident, key) for key in keys)
        self._keys.update(self._chosen)
        for problem in clashes(self._keys, self._chosen):
            raise ConfigError(problem)

    def of(self, ident: str) -> tuple[str, ...]:
        """Return an action's keys, as Textual names them."""
        return self._keys[ident]

    def shown(self, ident: str) -> str:
        """Return an action's first key as people call it; empty where it has none."""
        keys = self._keys[ident]
        return display(keys[0]) if keys else ""

    def keymap(self) -> dict[str, str]:
        """Return what the configuration changes, for Textual."""
        return {ident: ",".join(keys) for ident, keys in self._chosen.items()}


def _checked(ident: str, key: str) -> str:
    """Return a key as Textual names it."""
    name = _BY_SIGN.get(key, key)
    match = _MODIFIED.fullmatch(name)
    last = match.group(2) if match else ""
    if name in RESERVED:
        raise ConfigError(f"[keys] {ident}: {key!r} can't be used: {RESERVED[name]}")
    if last in _BY_SIGN:
        name, last = name[: -len(last)] + _BY_SIGN[last], _BY_SIGN[last]
    if not (last in _SPECIAL or last in _NAMES or (len(last) == 1 and last.isalnum())):
        raise ConfigError(
            f"[keys] {ident}: there is no key {key!r:.40}; write a letter, a sign, or a name such "
            "as enter, escape, space, pageup, f5, ctrl+g, shift+tab"
        )
    return name


def clashes(
    keys: Mapping[str, tuple[str, ...]], chosen: Mapping[str, tuple[str, ...]]
) -> Iterator[str]:
    """Yield a sentence for each two actions that want the same key in the same place.

    Args:
        keys: All keys by action.
        chosen: Those that the configuration has changed: the others are not to blame.
    """
    for one, other in _pairs(keys):
        if chosen and one not in chosen and other not in chosen:
            continue
        if _overlap(by_id(one).where, by_id(other).where):
            for key in set(keys[one]) & set(keys[other]):
                yield (
                    f"[keys] {one} and {other} have the same key, {display(key)!r}: give one of "
                    "them another"
                )


def _pairs(keys: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    by_key: dict[str, list[str]] = {}
    for ident, its in keys.items():
        for key in its:
            by_key.setdefault(key, []).append(ident)
    for idents in by_key.values():
        for at, one in enumerate(idents):
            for other in idents[at + 1 :]:
                yield one, other


def _overlap(one: str, other: str) -> bool:
    """Whether a key in two places would mean two things. Lists and what opens give way."""
    if "list" in (one, other):
        return one == other
    if "app" in (one, other):
        return True
    return one == other or one.startswith(other + "/") or other.startswith(one + "/")

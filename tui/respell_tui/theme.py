"""Colours: dark, light, high contrast, and those of the terminal itself."""

from __future__ import annotations

import difflib

from textual.theme import BUILTIN_THEMES, Theme

from respell.errors import ConfigError

OWN: dict[str, Theme] = {
    "dark": Theme(
        name="dark", primary="#7aa2f7", secondary="#9d7cd8", accent="#ff9e64",
        warning="#e0af68", error="#f7768e", success="#9ece6a", foreground="#d5daf0",
        background="#16171f", surface="#1b1d27", panel="#262938", dark=True,
        variables={"footer-key-foreground": "#7aa2f7", "border-blurred": "#3b4058"},
    ),
    "light": Theme(
        name="light", primary="#2250b8", secondary="#7040a8", accent="#a84400",
        warning="#8a5a00", error="#b3203c", success="#2f6d12", foreground="#23262f",
        background="#f6f6f3", surface="#fbfbf9", panel="#e8e8e2", dark=False,
        variables={
            "footer-key-foreground": "#2250b8", "border-blurred": "#b8b8ae",
            "foreground-muted": "#5c606c", "text-muted": "#5c606c", "text-disabled": "#8c8f96",
        },
    ),
    "contrast": Theme(
        name="contrast", primary="#ffff00", secondary="#00ffff", accent="#00ffff",
        warning="#ffff00", error="#ff8080", success="#80ff80", foreground="#ffffff",
        background="#000000", surface="#000000", panel="#202020", dark=True, text_alpha=1.0,
        variables={
            "footer-key-foreground": "#ffff00", "border-blurred": "#ffffff",
            "text-muted": "#ffffff", "foreground-muted": "#b8b8b8", "text-disabled": "#a0a0a0",
            "block-cursor-background": "#ffff00",
            "block-cursor-foreground": "#000000",
        },
    ),
}  # fmt: skip
"""The app's own themes by name."""

TERMINAL = "terminal"
"""The name for the colours that the terminal itself has."""

CYCLE = (*OWN, TERMINAL)
"""The themes that the action goes through."""


def textual_name(name: str) -> str:
    """Return how Textual calls a theme.

    Args:
        name: One of `CYCLE`, or any theme that comes with Textual.

    Raises:
        ConfigError: There is no such theme; names the nearest.
    """
    if name in OWN:
        return name
    if name == TERMINAL:
        return "ansi-dark"
    if name in BUILTIN_THEMES:
        return name
    known = [*CYCLE, *BUILTIN_THEMES]
    near = difflib.get_close_matches(name, known, n=1)
    meant = f"; did you mean {near[0]}?" if near else ""
    raise ConfigError(f"there is no theme {name!r:.80}: choose one of {', '.join(known)}{meant}")

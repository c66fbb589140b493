"""The page of the documentation that lists all actions and their keys: docs/keys.md."""

from __future__ import annotations

from collections.abc import Iterator

from respell_tui.actions import ACTIONS, Action, within
from respell_tui.actions.keys import display

_TITLES = {
    "home": "The first screen",
    "replay": "A session's screen",
    "compare": "Two sessions side by side",
    "list": "In every list",
    "app": "Everywhere",
}

_HEAD = """\
# Keys of the terminal UI

Made from the table of actions (`make keys`). Other keys for any of them: `[keys]` in
[configuration.md](configuration.md). In the app `?` shows those of where one is, `ctrl+p` finds
all by name, and `:` takes the name of an action too. What can't act now says why. The mouse works
everywhere."""


def page() -> str:
    """Return the page as Markdown."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _HEAD
    for place, title in _TITLES.items():
        yield from _section(f"## {title}", within(place))
        for pane in dict.fromkeys(one.where for one in ACTIONS):
            if pane.startswith(place + "/"):
                yield from _section(f"### Pane {pane.partition('/')[2]}", within(pane))


def _section(title: str, actions: tuple[Action, ...]) -> Iterator[str]:
    if not actions:
        return
    yield ""
    yield title
    yield ""
    yield "| key | action | what it does |"
    yield "| --- | --- | --- |"
    for one in actions:
        keys = " ".join(f"`{display(key).replace('|', chr(92) + '|')}`" for key in one.keys)
        yield f"| {keys} | {one.id} | {one.description} |"


if __name__ == "__main__":
    import sys

    sys.stdout.write(page())

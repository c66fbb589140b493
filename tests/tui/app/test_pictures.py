"""Each screen and state as a picture, compared with the one that was looked at and found good.

`pytest tests/tui/app/test_pictures.py --snapshot-update` takes them anew; look at each then.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import textual
from textual.pilot import Pilot

from app_pages import Page
from app_stores import NOW, varied
from respell.config import load
from respell_tui.app import RespellApp

DRAWN_BY = "8.2.8"
pytestmark = pytest.mark.skipif(
    textual.__version__ != DRAWN_BY, reason=f"the pictures were drawn by Textual {DRAWN_BY}"
)
SIZES = pytest.mark.parametrize("size", [(120, 40), (80, 24)], ids=["120x40", "80x24"])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with a store of the name `store`, in the same time zone everywhere."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.chdir(tmp_path)
    with varied(Path("store")):
        yield tmp_path
    monkeypatch.undo()
    time.tzset()


class Picture:
    """Draws the app once keys were pressed and texts are there."""

    def __init__(self, compare: Any) -> None:
        self._compare = compare

    def of(
        self, *keys: str, shows: tuple[str, ...] = (), size: tuple[int, int] = (120, 40),
        settings: str = "", store: str = "store",
    ) -> bool:  # fmt: skip
        """Return whether it looks as it did."""
        Path("respell.toml").write_text(settings)
        app = RespellApp(Path(store), config=load("respell.toml", environ={}), clock=lambda: NOW,
                         watch=False)  # fmt: skip

        async def before(pilot: Pilot[None]) -> None:
            page = Page(app, pilot)
            first = "notebook" if store == "store" else "No sessions yet."
            await page.shows(first)
            if store == "store":
                await page.shows("began  ")
            for key in keys:
                await page.press(key)
            await page.shows(*shows)
            await app.workers.wait_for_complete()
            await pilot.pause()

        return bool(self._compare(app, terminal_size=size, run_before=before))


@pytest.fixture
def picture(here: Path, snap_compare: Any) -> Picture:
    """Draws over the varied store."""
    return Picture(snap_compare)


@SIZES
def test_home(picture: Picture, size: tuple[int, int]) -> None:
    """A session in every state; the one that failed says why, with its limits as bars."""
    assert picture.of("slash", *"nightly", "enter", "escape", shows=("no such file",), size=size)


@pytest.mark.parametrize(
    "settings",
    [
        '[ui]\ntheme = "light"', '[ui]\ntheme = "contrast"', '[ui]\ntheme = "terminal"',
        '[ui]\nicons = "ascii"',
    ],
    ids=["light", "contrast", "terminal", "ascii"],
)  # fmt: skip
def test_home_in_other_clothes(picture: Picture, settings: str) -> None:
    """The same in each theme, and with ASCII signs."""
    assert picture.of("end", shows=("report.md",), settings=settings)


@SIZES
def test_first_start(picture: Picture, size: tuple[int, int]) -> None:
    """An empty store says what to press."""
    assert picture.of(shows=("runs the built-in example",), size=size, store="empty")


@SIZES
def test_artifacts(picture: Picture, size: tuple[int, int]) -> None:
    """A report in Markdown, its table with columns."""
    assert picture.of("end", "3", shows=("Three files were",), size=size)


@pytest.mark.parametrize(
    ("down", "shown"),
    [(2, "greets"), (3, "approved"), (4, "New York"), (5, "00000010")],
    ids=["lua", "json", "csv", "hex"],
)
def test_previews(picture: Picture, down: int, shown: str) -> None:
    """Each kind of content in the form that suits it."""
    assert picture.of("end", "3", *["down"] * down, shows=(shown,), size=(100, 30))


def test_diff_of_versions(picture: Picture) -> None:
    """What has changed since the version before."""
    assert picture.of("end", "3", "d", shows=("+Three files",), size=(100, 30))


def test_zoom(picture: Picture) -> None:
    """One pane has the whole screen."""
    assert picture.of("z", size=(80, 24))


def test_search(picture: Picture) -> None:
    """Sessions that have a tag."""
    assert picture.of("slash", "number_sign", *"travel", shows=("1 of 7",), size=(80, 24))


@SIZES
def test_help(picture: Picture, size: tuple[int, int]) -> None:
    """What can be done in this pane."""
    assert picture.of("question_mark", shows=("On this screen",), size=size)


@SIZES
def test_new_run(picture: Picture, size: tuple[int, int]) -> None:
    """The dialog that runs a script."""
    Path("hello.lua").write_text("print(1)")
    # Behind it is a session that nobody runs: who runs one is another process each time.
    assert picture.of("end", "n", shows=("Run a script", "hello.lua"), size=size)


def test_answer(picture: Picture) -> None:
    """The question of a session that waits, as a form."""
    assert picture.of("slash", *"=suspended", "enter", "r", shows=("book the hotel?",),
                      size=(80, 24))  # fmt: skip


def test_delete(picture: Picture) -> None:
    """What can't be undone is asked first."""
    assert picture.of("slash", *"nightly", "enter", "delete", shows=("can't be undone",),
                      size=(80, 24))  # fmt: skip


def test_a_reason_why_not(picture: Picture) -> None:
    """A key that can't act says why, in the last line."""
    assert picture.of("end", "r", shows=("it is active, and has no program",), size=(80, 24))


def test_the_palette(picture: Picture) -> None:
    """Every action by a part of its name."""
    assert picture.of("ctrl+p", *"fork", shows=("session: fork",), size=(80, 24))

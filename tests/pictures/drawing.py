"""What is done for each picture, and how it is drawn."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path

from app_pages import Page, opened
from pictures.recording import lay_out
from respell.config import load

FOLDER = Path(__file__).parents[2] / "docs" / "pictures"
DRAWN_BY = "8.2.8"
"""The version of Textual that the pictures were drawn by; another one draws otherwise."""

_LATER_US = 240_000_000


@dataclass(frozen=True)
class Shot:
    """One picture.

    Attributes:
        name: The file's name, without its suffix.
        keys: What is pressed; each with what is shown then.
        size: Columns and rows.
        theme: The theme.
    """

    name: str
    keys: tuple[tuple[str, str], ...]
    size: tuple[int, int] = (120, 36)
    theme: str = "dark"


_APPROVED = (("down", "completed  since"), ("enter", "48  "), ("", "47+1 of 48"))
_IN_A_LOOP = (
    *_APPROVED, ("colon", ""), *((one, "") for one in "23+1"), ("enter", "23+1 of"),
    ("3", "locals of"), ("", "lines ran"),
)  # fmt: skip
_REFUSED = (("end", "fork of"), ("enter", "FORK"), ("", "44+2 of 45"),
            ("d", "1 Difference"), ("", "events, from the first"))  # fmt: skip

SHOTS = (
    Shot("home", (("", "answers"), ("", "blake3"))),
    Shot("session", _IN_A_LOOP, (120, 40)),
    Shot("compare", _REFUSED),
    Shot("light", _IN_A_LOOP, (120, 40), "light"),
)


@contextmanager
def _same_everywhere() -> Iterator[Path]:
    """Give a working directory in which nothing of the machine shows."""
    kept = dict(os.environ)
    with tempfile.TemporaryDirectory(prefix="pictures") as name, chdir(name):
        for variable in ("NO_COLOR", "TEXTUAL_THEME", "RESPELL_STORE", "RESPELL_CONFIG"):
            os.environ.pop(variable, None)
        for variable in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"):
            os.environ[variable] = str(Path(name) / variable)
        os.environ["TZ"] = "UTC"
        time.tzset()
        try:
            yield Path(name)
        finally:
            os.environ.clear()
            os.environ.update(kept)
            time.tzset()


def draw(shot: Shot) -> str:
    """Return a picture as SVG."""
    with _same_everywhere() as folder:
        now = lay_out(folder / "sessions") + _LATER_US
        Path("respell.toml").write_text(f'[ui]\ntheme = "{shot.theme}"\n')
        config = load("respell.toml", environ={})
        return asyncio.run(_drawn(shot, config, now))


async def _drawn(shot: Shot, config: object, now: int) -> str:
    more = {"config": config, "clock": lambda: now, "watch": False}
    async with opened(Path("sessions"), size=shot.size, **more) as it:  # type: ignore[arg-type]
        await it.shows("report of May")
        await _press(it, shot)
        before = ""
        while before != it.text:  # what a job has read is yet to be painted
            before = it.text
            await it.app.workers.wait_for_complete()
            await it.pilot.pause()
        return it.app.export_screenshot(title="respell", simplify=True)


async def _press(it: Page, shot: Shot) -> None:
    for key, shown in shot.keys:
        if key:
            await it.press(key)
        if shown:
            await it.shows(shown)

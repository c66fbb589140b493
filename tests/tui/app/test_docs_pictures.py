"""The pictures of the documentation show what the app looks like now.

`make pictures` draws them anew; look at each then.
"""

from __future__ import annotations

import pytest
import textual

from pictures import recording
from pictures.drawing import DRAWN_BY, FOLDER, SHOTS, Shot, draw

ANEW = "`make pictures` draws it anew"


@pytest.mark.skipif(
    textual.__version__ != DRAWN_BY, reason=f"the pictures were drawn by Textual {DRAWN_BY}"
)
@pytest.mark.parametrize("shot", SHOTS, ids=[shot.name for shot in SHOTS])
def test_a_picture_shows_what_the_app_looks_like(shot: Shot) -> None:
    there = (FOLDER / f"{shot.name}.svg").read_text()
    assert draw(shot) == there, f"docs/pictures/{shot.name}.svg is out of date: {ANEW}"


def test_the_recording_is_one_of_the_demo() -> None:
    assert not recording.is_stale(), f"the demo is another one than in the pictures: {ANEW}"


def test_every_picture_is_drawn_by_somebody_and_shows_nothing_of_a_machine() -> None:
    there = {path.stem for path in FOLDER.glob("*.svg")}
    assert there == {shot.name for shot in SHOTS}
    for path in FOLDER.glob("*.svg"):
        assert not any(part in path.read_text() for part in ("/tmp", "/home/", "/root", "/work"))

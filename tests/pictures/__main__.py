"""`make pictures`: draw the pictures of the documentation."""

from __future__ import annotations

import sys

import textual

from pictures import recording
from pictures.drawing import DRAWN_BY, FOLDER, SHOTS, draw


def main() -> None:
    """Record the demo if it has changed, and draw all pictures."""
    if textual.__version__ != DRAWN_BY:
        sys.exit(f"the pictures are drawn by Textual {DRAWN_BY}; this is {textual.__version__}")
    if recording.is_stale():
        print("recording the demo …", file=sys.stderr)
        recording.record()
    FOLDER.mkdir(exist_ok=True)
    for shot in SHOTS:
        path = FOLDER / f"{shot.name}.svg"
        path.write_text(draw(shot))
        print(path, file=sys.stderr)


if __name__ == "__main__":
    main()

"""Three sessions of the built-in demo, recorded once, so that each picture is the same for ever."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import respell
from respell.store import Store
from respell_tui.commands.demo import SCRIPT

FOLDER = Path(__file__).parent / "recordings"
NAMES = ("report", "refused", "report of May")
SCRIPT_NAME = "report.lua"

_FILES = {
    "README.md": "# Garden\n\nWhat grows where, and since when.\n",
    "beds.lua": 'local beds = { "peas", "beans" }\n'
                "for _, bed in ipairs(beds) do\n  print(bed)\nend\n",
    "notes.md": "# Notes\n\n- peas want a fence\n- beans want sun\n- neither wants frost\n",
    "rows.py": "def rows(bed):\n    return [row for row in bed if row]\n",
    "plan.md": "# Plan\n\n1. dig\n2. sow\n3. wait\n4. water\n5. wait\n",
}  # fmt: skip


def is_of(script: bytes) -> bool:
    """Return whether the recording is one of this very script."""
    path = FOLDER / SCRIPT_NAME
    return path.exists() and path.read_bytes() == script


def is_stale() -> bool:
    """Return whether the demo has changed since it was recorded."""
    return not is_of(SCRIPT.read_bytes())


def record() -> None:
    """Record the demo anew: one that was approved, the same one refused, one that waits."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="demo") as name:
        folder = Path(name)
        for file, text in _FILES.items():
            (folder / file).write_text(text)
        (folder / SCRIPT_NAME).write_bytes(SCRIPT.read_bytes())
        _respell(folder, 3, "run", SCRIPT_NAME, "--name", NAMES[0], "--", *_FILES)
        _respell(folder, 0, "resume", NAMES[0], "--value", '{"approved": true, "by": "Ada"}')
        refused = ("--outcome", '{"approved": false}', "--name", NAMES[1], "--run")
        _respell(folder, 0, "fork", NAMES[0], "--at", _question(folder), *refused)
        _respell(folder, 3, "run", SCRIPT_NAME, "--name", NAMES[2], "--", *_FILES)
        for session in NAMES:
            _respell(folder, 0, "export", session, str(_file(session)))
    (FOLDER / SCRIPT_NAME).write_bytes(SCRIPT.read_bytes())


def _question(folder: Path) -> str:
    """Return the number of the event that asked."""
    lines = _respell(folder, 0, "events", NAMES[0], "--json").splitlines()
    return next(
        str(one["number"]) for one in map(json.loads, lines) if one["name"] == "session.suspend"
    )


def _respell(folder: Path, code: int, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "respell_tui", *words], cwd=folder, stdin=subprocess.DEVNULL,
        env={**os.environ, "RESPELL_STORE": str(folder / ".store")}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    if done.returncode != code:
        sys.exit(f"respell {' '.join(words)} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def _file(session: str) -> Path:
    return FOLDER / f"{session.replace(' ', '-')}.export"


def lay_out(folder: Path) -> int:
    """Put the recorded sessions into a store.

    Args:
        folder: The store's folder, which is not there yet.

    Returns:
        When the last of them was made, in µs since 1970 UTC.
    """
    with Store(folder) as store:
        return max(
            respell.import_(_file(name), store=store).record.created_at for name in NAMES
        )  # fmt: skip

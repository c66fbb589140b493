"""Long re-execution says how far it has got, to a person only."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

from stories import RESPELL, respell, write_script


def long_session(tmp_path: Path) -> Path:
    store = tmp_path / "store"
    # Ten windows of records, and enough between them to be long on a fast machine too.
    text = "for i = 1, 20000 do os.time() for j = 1, 20000 do end end"
    done = respell("run", write_script(tmp_path, text), store=store)
    assert done.returncode == 0, done.stderr
    return store


def test_a_replay_shows_how_far_it_has_got_on_a_terminal(tmp_path: Path) -> None:
    store = long_session(tmp_path)
    quiet = respell("replay", "@last", store=store)
    assert "re-executing" not in quiet.stderr + quiet.stdout
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*RESPELL, "replay", "--store", str(store), "@last"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs, text=True,
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 4096)
        except OSError:  # Linux says so when the other end is closed
            break
        if not part:
            break
        shown += part
    output, _ = process.communicate()
    os.close(ours)
    assert output.startswith("identical")
    assert b"re-executing: " in shown
    assert shown.endswith(b"\r\x1b[K"), "the line is gone at the end"

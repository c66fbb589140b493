"""A text in the editor that a person has chosen, while the app waits."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

from textual.app import App, SuspendNotSupported

from respell.errors import UsageError


def edited(app: App[None], text: bytes, name: str) -> bytes | None:
    """Return a text as it is after a person has changed it; None where nothing was changed.

    Args:
        app: The app, which gives the terminal away meanwhile.
        text: The text.
        name: The name of its file, by which editors know what it is.

    Raises:
        UsageError: No editor is chosen, it can't be started, or it ended with an error.
    """
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if not editor:
        raise UsageError("neither $VISUAL nor $EDITOR says which editor: set one, then start again")
    with tempfile.TemporaryDirectory(prefix="respell-") as folder:
        path = Path(folder) / (os.path.basename(name) or "text")
        path.write_bytes(text)
        try:
            with app.suspend():
                ended = subprocess.run([*shlex.split(editor), str(path)], check=False).returncode
        except (OSError, ValueError) as error:
            raise UsageError(f"{editor}: it can't be started: {error}") from None
        except SuspendNotSupported:
            raise UsageError("an editor needs a terminal of its own, which is not there") from None
        app.refresh(layout=True)
        if ended:
            raise UsageError(f"{editor} ended with {ended}: nothing was changed")
        changed = path.read_bytes()
    return None if changed == text else changed

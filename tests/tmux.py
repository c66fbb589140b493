"""A person at a real terminal: `respell` inside of tmux, driven by keys and read off the screen."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

PATIENCE_S = 90.0
_LOOK_S = 0.05

needed = pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")


class Tmux:
    """One window of a tmux server of its own, in which one command runs."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        """Prepare a server.

        Args:
            folder: Where its socket is made, and where the command starts. Sockets have short
                paths: a name relative to it is used.
            environment: The command's environment.
        """
        self._folder = folder
        self._environment = {**environment, "TERM": "xterm-256color"}

    def start(self, command: Sequence[str], *, columns: int, rows: int) -> None:
        """Start a command; the window stays when it has ended, and shows its exit code.

        Args:
            command: Its words.
            columns: The window's width.
            rows: The window's height.
        """
        (self._folder / "tmux.conf").write_text(
            "set -g remain-on-exit on\nset -g escape-time 0\nset -g status off\n"
            "set -g default-terminal tmux-256color\nset -g history-limit 2000\n"
        )
        self("-f", "tmux.conf", "new-session", "-d", "-x", f"{columns}", "-y", f"{rows}", *command)

    def record(self, command: Sequence[str], painted: Path, *, columns: int, rows: int) -> None:
        """Start a command, and keep every byte that it writes to the terminal.

        Args:
            command: Its words.
            painted: The file for the bytes.
            columns: The window's width.
            rows: The window's height.
        """
        held = ["sh", "-c", 'read -r go && exec "$@"', "sh", *command]
        self.start(held, columns=columns, rows=rows)
        self("pipe-pane", f"cat > '{painted}'")
        self.press("Enter")

    def __call__(self, *words: str) -> str:
        """Give tmux a command, and return what it says."""
        done = subprocess.run(
            ["tmux", "-S", "tmux.sock", *words], cwd=self._folder, env=self._environment,
            capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (words, done.stderr)
        return done.stdout

    # Keys and text -----------------------------------------------------------------------

    def press(self, *keys: str) -> None:
        """Press keys, by tmux's names: `n`, `Enter`, `Escape`, `C-p` …"""
        self("send-keys", *keys)

    def type(self, text: str) -> None:
        """Type text as it is."""
        self("send-keys", "-l", text)

    @property
    def screen(self) -> str:
        """What is on the screen."""
        return self("capture-pane", "-p")

    def until(self, true: Callable[[str], object], what: str) -> str:
        """Wait until something is true of the screen, and return the screen.

        Args:
            true: Is given the screen.
            what: What is waited for, in words.
        """
        end = time.monotonic() + PATIENCE_S
        while not true(screen := self.screen):
            assert time.monotonic() < end, f"never saw {what}; the screen:\n{screen}"
            time.sleep(_LOOK_S)
        return screen

    def painted_line(self, true: Callable[[str], object]) -> str:
        """Return the first line on the screen, as it is painted, of which something is true.

        Args:
            true: Is given each line, with the escape sequences that paint it.
        """
        lines = self("capture-pane", "-p", "-e").splitlines()
        return next(line for line in lines if true(line))

    def shows(self, *texts: str) -> str:
        """Wait until all of these are on the screen at once, and return it."""
        return self.until(lambda it: all(text in it for text in texts), repr(texts))

    def hides(self, text: str) -> None:
        """Wait until this is not on the screen."""
        self.until(lambda it: text not in it, f"a screen without {text!r}")

    def cursor_in_line_of(self, text: str) -> None:
        """Wait until the terminal's cursor, which is where one types, is in a line with a text."""

        def there(screen: str) -> bool:
            row = int(self("display-message", "-p", "#{cursor_y}"))
            return text in screen.splitlines()[row]

        self.until(there, f"the cursor in the line of {text!r}")

    # Its end -----------------------------------------------------------------------------

    def ended(self) -> int:
        """Wait until the command has ended, and return its exit code."""
        end = time.monotonic() + PATIENCE_S
        while True:
            said = self("display-message", "-p", "#{pane_dead} #{pid} #{pane_dead_status}").split()
            if len(said) == 3:
                return int(said[2])
            if said[0] == "1":
                # Nobody has the terminal open, but tmux has not heard of the end: it misses that
                # at times, and looks again when it is told.
                os.kill(int(said[1]), signal.SIGCHLD)
            assert time.monotonic() < end, f"it never ended; the screen:\n{self.screen}"
            time.sleep(_LOOK_S)


@contextmanager
def tmux(folder: Path, environment: Mapping[str, str]) -> Iterator[Tmux]:
    """Give a terminal, and end it with all that runs in it.

    Args:
        folder: The folder of the story.
        environment: The environment.
    """
    made = Tmux(folder, environment)
    try:
        yield made
    finally:
        subprocess.run(
            ["tmux", "-S", "tmux.sock", "kill-server"], cwd=folder,
            capture_output=True, check=False, env={**os.environ, **environment},
        )  # fmt: skip

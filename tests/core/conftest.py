"""Fixtures of the core's tests: a real store, and scripts run as real sessions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import respell
from respell.engine.run import RunResult
from respell.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A new store, durable against the death of this process."""
    with Store(tmp_path / "store", durability="process") as opened:
        yield opened


class Script:
    """Runs Lua text as a session and keeps its output.

    Attributes:
        lines: Every output line so far, of run and resume alike.
    """

    def __init__(self, folder: Path, store: Store) -> None:
        self._folder = folder
        self._store = store
        self.lines: list[str] = []

    def __call__(self, text: str, **options: Any) -> RunResult:
        """Run the text as a new session."""
        path = self._folder / "main.lua"
        path.write_text(text)
        return respell.run(path, store=self._store, on_output=self._keep, **options)

    def resume(self, session: respell.SessionRecord | str, **options: Any) -> RunResult:
        """Go on with a session."""
        return respell.resume(session, store=self._store, on_output=self._keep, **options)

    def _keep(self, name: str, text: bytes) -> None:
        self.lines.append(text.decode(errors="backslashreplace"))


@pytest.fixture
def script(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> Script:
    """What runs scripts; the working directory is the test's own."""
    monkeypatch.chdir(tmp_path)
    return Script(tmp_path, store)


@pytest.fixture
def names(store: Store) -> Callable[[RunResult], list[str]]:
    """Return the names of a session's events, in order."""

    def listed(result: RunResult) -> list[str]:
        return [event.name for event in respell.events(result.session, store=store)]

    return listed

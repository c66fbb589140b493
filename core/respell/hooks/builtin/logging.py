"""`[hooks.logging]`: a line for each effect and each operation on a session."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path
from typing import Any

from respell import values
from respell.hooks.builtin import TAG
from respell.hooks.context import HookContext
from respell.hooks.registry import HookRegistry
from respell.settings import LoggingHookSettings
from respell.times import now_us, rfc3339

POINTS = (
    "BeforeEffect", "AfterEffect", "EffectError", "SessionStart", "SessionRestore",
    "SessionCheckpoint", "SessionEnd", "SecurityViolation", "ResourceLimitExceeded",
)  # fmt: skip
MOST_CHARS = 2_000
"""Characters of data that a line has."""

LOGGER = "respell.hooks.logging"


def install(registry: HookRegistry, settings: LoggingHookSettings) -> None:
    """Register it at all its points."""
    write = _Writer(settings)
    for point in POINTS:
        registry.register(point, write, name="logging", priority="low", tags=(TAG,), quick=True)


class _Writer:
    def __init__(self, settings: LoggingHookSettings) -> None:
        self._level = logging.getLevelNamesMapping()[
            {"warn": "WARNING"}.get(settings.level, settings.level.upper())
        ]
        self._data = settings.include_data
        self._file = Path(settings.file).expanduser() if settings.file else None
        self._lock = threading.Lock()

    def __call__(self, context: HookContext) -> None:
        line = f"{context.point} {context.effect} {context.component}".rstrip()
        if context.event:
            line += f" (event {context.event} of {context.session_id[:8]})"
        told = {"data": _shown(context.data)} if self._data else {}
        if self._data:
            line += f" {told['data']}"
        logging.getLogger(LOGGER).log(self._level, "%s", line)
        if self._file is None:
            return
        entry: dict[str, Any] = {
            "at": rfc3339(now_us()), "point": context.point, "effect": context.effect,
            "component": context.component, "session": context.session_id,
            "event": context.event, **told,
        }  # fmt: skip
        text = json.dumps(entry, ensure_ascii=False) + "\n"
        with self._lock, self._file.open("a", encoding="utf-8", errors="replace") as file:
            file.write(text)


def _shown(data: Any) -> str:
    text = values.json_line(data)
    return text if len(text) <= MOST_CHARS else f"{text[:MOST_CHARS]}…"

"""What was open comes back: a small file per store, in the platform's folder for such."""

from __future__ import annotations

import json
import os
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from hashlib import blake2b
from pathlib import Path
from typing import Any

from platformdirs import user_state_path

from respell.sessions.record import SessionSort
from respell_tui.shown.sessions import ORDERS


@dataclass
class Memory:
    """What is remembered of one store.

    Attributes:
        session: Id of the session the cursor was on.
        sort: What the sessions were sorted by.
        tree: Whether they were shown as a tree.
        open: Id of the session that was open on a screen of its own; empty for none.
        position: Where it stood, as text.
        layouts: What screens remember of themselves, by their names.
    """

    session: str = ""
    sort: SessionSort = "created_at"
    tree: bool = True
    open: str = ""
    position: str = ""
    layouts: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, store: Path) -> Memory:
        """Return what is remembered of a store; what makes no sense is forgotten."""
        found: Any = {}
        with suppress(OSError, ValueError):
            found = json.loads(_path(store).read_text(encoding="utf-8"))
        made = cls()
        for one in fields(cls):
            value = found.get(one.name) if isinstance(found, dict) else None
            if isinstance(value, type(getattr(made, one.name))):
                setattr(made, one.name, value)
        if made.sort not in ORDERS:
            made.sort = "created_at"
        return made

    def keep(self, store: Path) -> None:
        """Write it down, whole or not at all.

        Raises:
            OSError: It can't be written.
        """
        path = _path(store)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        temporary.write_text(json.dumps(asdict(self)), encoding="utf-8")
        temporary.replace(path)


def _path(store: Path) -> Path:
    name = blake2b(os.fsencode(os.path.realpath(store)), digest_size=8).hexdigest()
    return user_state_path("respell", appauthor=False) / "ui" / f"{name}.json"

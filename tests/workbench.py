"""A real store, a session and a working directory, to perform single effects with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from respell import values
from respell.effect import Manner
from respell.engine import effects
from respell.engine.effects import EffectContext
from respell.engine.effects.confined import remove_temporary_folder
from respell.security import Permissions
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.tools import ToolContext, ToolRegistry


class Workbench:
    """Performs effects as a host would, arguments and outcome in their canonical form."""

    def __init__(self, store: Store, folder: Path, allow: Sequence[str], deny: Sequence[str]):
        self.store = store
        self.scripts = folder / "scripts"
        self.cwd = folder / "work"
        self.session = store.sessions.insert(SessionRecord(name="test"))
        self.ctx = EffectContext(
            session=self.session,
            store=store,
            permissions=Permissions.from_flags(allow, deny, self.scripts, self.cwd),
            script_dir=self.scripts,
            cwd=self.cwd,
            tools=ToolRegistry(),
        )

    def perform(self, effect: str, **args: Any) -> Any:
        """Perform an effect and return its outcome as the script would get it."""
        arguments = values.decode(values.encode(args)) or {}
        return values.decode(values.encode(effects.lookup(effect).perform(self.ctx, arguments)))

    def manner(self, effect: str, **args: Any) -> Manner:
        """Return how the effect would be performed."""
        return effects.lookup(effect).manner(self.ctx, args)


@contextmanager
def workbench(
    folder: Path, *, allow: Sequence[str] = (), deny: Sequence[str] = ()
) -> Iterator[Workbench]:
    """Open a workbench in a folder, with scripts/, work/ and secret/ in it."""
    folder = folder.resolve()
    for name in ("scripts", "work", "secret"):
        (folder / name).mkdir(exist_ok=True)
    with Store(folder / "work" / "store", durability="process") as store:
        bench = Workbench(store, folder, allow, deny)
        yield bench
        remove_temporary_folder(bench.session.id)


def tool_context(
    folder: Path, *, allow: Sequence[str] = (), deny: Sequence[str] = ()
) -> ToolContext:
    """Return a context to call tools with, whose working directory is `folder`."""
    return ToolContext(
        session_id="5b2c0f5e-0000-4000-8000-000000000000",
        permissions=Permissions.from_flags(allow, deny, folder, folder),
        script_dir=folder,
        cwd=folder,
    )

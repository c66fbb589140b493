"""A script's side of effects, without Lua: calls performers as the host does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from respell import values
from respell.effect import Kind
from respell.engine import effects
from respell.engine.effects import EffectContext
from respell.security import Permissions
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.tools import ToolRegistry


class Script:
    """A program's session, and the effects it causes.

    Args:
        store: Where it lives.
        folder: Its working directory.
        **fields: Fields of its session.
    """

    def __init__(self, store: Store, folder: Path, **fields: Any) -> None:
        fields = {"name": "script", "script": "script.lua", "script_hash": "00" * 32, **fields}
        self.store = store
        self.folder = folder
        self.session = store.sessions.insert(SessionRecord(**fields))
        self.aliases: dict[str, str] = {}
        self.number = 0

    @property
    def id(self) -> str:
        """The id of its session."""
        return self.session.id

    def call(self, name: str, /, **args: Any) -> Any:
        """Perform an effect with these arguments and return its outcome as Lua gets it."""
        return self.call_with(name, args)

    def call_with(self, name: str, args: Any) -> Any:
        """Perform an effect with arguments of any form."""
        self.number += 1
        ctx = EffectContext(
            session=self.store.sessions.get(self.session.key),
            store=self.store,
            permissions=Permissions.from_flags((), (), self.folder, self.folder),
            script_dir=self.folder,
            cwd=self.folder,
            tools=ToolRegistry(),
            number=self.number,
            aliases=self.aliases,
        )
        effect = effects.lookup(name)
        given = values.decode(values.encode(args)) or {}
        if effect.manner(ctx, given).kind is Kind.STORED:
            with self.store.transaction():
                outcome = effect.perform(ctx, given)
        else:
            outcome = effect.perform(ctx, given)
        return values.decode(values.encode(outcome))

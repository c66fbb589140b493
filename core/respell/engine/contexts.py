"""What a performer is given: the surroundings of one effect in one run."""

from __future__ import annotations

from respell.agents.streams import Streams
from respell.engine.accesses import Accesses
from respell.engine.asking import Asking
from respell.engine.effects import EffectContext
from respell.engine.program import Program
from respell.engine.row import Row
from respell.engine.services import Services
from respell.store import Store


class Contexts:
    """Makes the contexts of one run's effects.

    Args:
        store: The store.
        row: The session's row.
        program: What runs.
        services: What effects are performed with.
        asking: What the script may do.
    """

    def __init__(
        self, store: Store, row: Row, program: Program, services: Services, asking: Asking
    ) -> None:
        self._store = store
        self._row = row
        self._program = program
        self._services = services
        self._asking = asking
        self._streams = Streams()
        self._accesses = Accesses()

    def of(self, number: int) -> EffectContext:
        """Return what the performer of an event may use.

        Args:
            number: The event's number.
        """
        services = self._services
        return EffectContext(
            session=self._row.fresh(),
            store=self._store,
            permissions=self._asking.permissions,
            script_dir=self._program.script_dir,
            cwd=self._program.cwd,
            tools=services.tools,
            number=number,
            stdin=services.stdin,
            aliases=services.aliases,
            config=services.config,
            streams=self._streams,
            accesses=self._accesses,
        )

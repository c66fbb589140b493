"""What a person allows while a session runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from queue import SimpleQueue

from respell.engine.ledger import Ledger
from respell.errors import PermissionDenied
from respell.security import Ask, Permissions
from respell.store import Store

_TURN_S = 0.2


class Asking:
    """The permissions of one run, which grow when somebody who is asked agrees.

    Effects ask from their own threads, or from the host's, which goes on meanwhile. One
    question is asked at a time. What was allowed holds for the session: `write` keeps it in the
    store and notes it in the history.

    Args:
        permissions: What the script may do so far.
        ask: Asks somebody; None where nobody can be asked.
        meanwhile: What the host's thread does while somebody thinks, a few times a second.
    """

    def __init__(
        self, permissions: Permissions, ask: Ask | None, meanwhile: Callable[[], None]
    ) -> None:
        self._ask = ask
        self._meanwhile = meanwhile
        self.host_is_here()
        self._mutex = threading.Lock()
        self._permissions = permissions if ask is None else replace(permissions, ask=self._decide)
        self._answers: dict[str, bool] = {}
        self._news: SimpleQueue[str] = SimpleQueue()
        self.is_open = False
        """Whether somebody is being asked right now."""

    def host_is_here(self) -> None:
        """Take note that the host's loop runs in this thread from now on."""
        self._host = threading.get_ident()

    @property
    def permissions(self) -> Permissions:
        """What the script may do now."""
        return self._permissions

    def _decide(self, refused: PermissionDenied) -> bool:
        if threading.get_ident() != self._host:
            return self._answer(refused)
        answers: list[bool] = []
        thread = threading.Thread(
            target=lambda: answers.append(self._answer(refused)), name="respell-ask", daemon=True
        )
        thread.start()
        while thread.is_alive():
            self._meanwhile()
            thread.join(_TURN_S)
        return bool(answers) and answers[0]

    def _answer(self, refused: PermissionDenied) -> bool:
        with self._mutex:
            known = self._answers.get(refused.flag)
            if known is None:
                assert self._ask is not None
                self.is_open = True
                try:
                    known = self._ask(refused)
                finally:
                    self.is_open = False
                if known:
                    self._permissions = self._permissions.allowing(refused.flag)
                    self._news.put(refused.flag)
                self._answers[refused.flag] = known
            return known

    def write(self, store: Store, key: int, session_id: str, ledger: Ledger) -> None:
        """Keep what was allowed since the last call.

        To be called between taking the outcomes of effects and recording them, so that what
        was allowed stands before what it opened.
        """
        if self._news.empty():
            return
        while not self._news.empty():
            flag = self._news.get()
            ledger.note("lifecycle.allow", {"permission": flag})
            ledger.along(
                lambda flag=flag: store.audit.note(  # type: ignore[misc]
                    "permission.allow", session=session_id, actor="terminal", target=flag
                )
            )
        permissions = self._permissions.to_dict()
        ledger.along(lambda: store.sessions.set_permissions(key, permissions))

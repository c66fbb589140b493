"""What every command needs: its options, the two streams, and the store."""

from __future__ import annotations

import os
import shlex
import sys
from argparse import Namespace
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from respell.errors import UsageError
from respell_tui.output import Out, data_out, words_out

if TYPE_CHECKING:
    from respell.config import Config
    from respell.sessions.record import SessionRecord
    from respell.store import Store


# Commands that do something else when a setting counts or does not.
_CONCERNED = frozenset(("run", "resume", "fork", "import", "gc", "config", "demo"))

BY = "cli"
"""Who acts, as histories and the audit log show it."""


class Command:
    """One call of `respell`.

    Attributes:
        args: Its options.
        out: Standard output, for data.
        err: Standard error, for words.
    """

    def __init__(self, args: Namespace) -> None:
        self.args = args
        self.out: Out = data_out()
        self.err: Out = words_out()

    @cached_property
    def config(self) -> Config:
        """The configuration; what of a project's file does not count is told to those it concerns.

        Raises:
            ConfigError: A file or the environment has a mistake.
        """
        from respell import config

        loaded = config.load(store=getattr(self.args, "store", None) or None)
        if self.args.command in _CONCERNED:
            for warning in loaded.warnings:
                self.err.line("respell: ", warning)
        return loaded

    def store_path(self) -> Path:
        """Return the store's folder: of `--store`, of the configuration, or the platform's."""
        return self.config.store_folder()

    def chosen_store(self) -> str | None:
        """Return the store somebody named, by option or configuration; None for neither."""
        return self.config.session.storage_path or None

    def open_store(self, *, create: bool = False) -> Store:
        """Return the store, open; use it in a `with`.

        Raises:
            StoreError: It can't be opened, or there is none and `create` is False.
        """
        from respell.store import Store

        return Store(self.store_path(), create=create, **self.config.store_options())

    def with_session(self, ident: str) -> OpenSession:
        """Return a context that opens the store and finds a session in it."""
        return OpenSession(self, ident)

    def respell(self, *words: str) -> str:
        """Return a command line a person can type next, meant for the same store."""
        program = os.path.basename(sys.argv[0]) if sys.argv[0] else "respell"
        if program == "__main__.py":
            program = "respell"
        elif os.sep in sys.argv[0] and not _on_path(program, sys.argv[0]):
            program = sys.argv[0]
        option: str | None = getattr(self.args, "store", None)
        chosen = ["--store", option] if option else []
        return shlex.join([program, *chosen, *words])


class OpenSession(AbstractContextManager["tuple[Store, SessionRecord]"]):
    """Opens the store, finds the session a person means, and closes the store again."""

    def __init__(self, command: Command, ident: str) -> None:
        self._command = command
        self._ident = ident
        self._store: AbstractContextManager[Any] = nullcontext()

    def __enter__(self) -> tuple[Store, SessionRecord]:
        store = self._command.open_store()
        try:
            session = store.sessions.find(self._ident)
        except BaseException:
            store.close()
            raise
        self._store = store
        return store, session

    def __exit__(self, *error: object) -> None:
        self._store.__exit__(None, None, None)


def short(session: SessionRecord) -> str:
    """Return the part of a session's id that people type."""
    return session.id[:8]


def pair(text: str, option: str, form: str) -> tuple[str, str]:
    """Return the two sides of `KEY=VALUE`.

    Raises:
        UsageError: There is no `=`, or nothing before it.
    """
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise UsageError(f"{option} {text}: write it as {option} {form}")
    return key, value


def text_option(text: str, what: str) -> str:
    """Return the text itself.

    Raises:
        UsageError: It has bytes that are not UTF-8, which no history can hold as text.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{what} is not UTF-8 text: {text!r}") from None
    return text


def json_option(text: str, option: str) -> Any:
    """Return the value of JSON text given with an option.

    Raises:
        UsageError: It is not JSON, or no value that can be recorded; says where.
    """
    from respell import values

    value = values.parse_json(text_option(text, option), what=option)
    try:
        values.encode(value)
    except UnicodeEncodeError as error:
        raise UsageError(f"{option} has half of a surrogate pair in it: {error.object!r}") from None
    return value


def event_number(text: str, option: str) -> int:
    """Return an event's number.

    Raises:
        UsageError: It is no number above 0.
    """
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise UsageError(f"{option} {text}: an event's number is 1, 2, 3 …")
    return int(text)


def _on_path(program: str, path: str) -> bool:
    import shutil

    found = shutil.which(program)
    return found is not None and os.path.realpath(found) == os.path.realpath(path)

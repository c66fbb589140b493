"""What the shell offers behind a Tab: commands, options, files, and what the store holds."""

from __future__ import annotations

import re
from argparse import Action, ArgumentParser, Namespace
from collections.abc import Callable
from typing import Any

import argcomplete
from argcomplete.completers import BaseCompleter, DirectoriesCompleter, FilesCompleter
from argcomplete.shell_integration import shellcode

from respell.errors import RespellError
from respell_tui import parser as commands

_MOST = 200
_PLAIN = re.compile(r"[\w.@+-]+")  # names that no shell gives a meaning to

Completer = Callable[..., Any]


def complete(parser: commands.Parser) -> None:
    """Answer the shell and end the process, if it was the shell that started it."""
    for one in _all(parser):
        for action in one._actions:
            _attach(action, one)
    argcomplete.autocomplete(parser, always_complete_options=False, default_completer=_Nothing())


def shell_code(shell: str) -> str:
    """Return what a shell has to evaluate so that it completes `respell`.

    Args:
        shell: bash, zsh or fish.
    """
    code: str = shellcode(["respell"], shell=shell)
    return code.strip("\n") + "\n"


def _all(parser: ArgumentParser) -> list[ArgumentParser]:
    below = [_all(one) for one in commands.subcommands(parser).values()]
    return [parser, *(one for several in below for one in several)]


def _attach(action: Action, parser: ArgumentParser) -> None:
    if action.choices is None and (completer := _completer(action, parser)) is not None:
        action.completer = completer  # type: ignore[attr-defined]


def _completer(action: Action, parser: ArgumentParser) -> Completer | None:
    if action.dest == "store":
        return DirectoriesCompleter()
    if action.dest == "artifact":
        return artifacts
    if action.metavar == "ID-or-SCRIPT":
        return sessions_and_scripts
    if action.dest in ("id", "a", "b"):
        return sessions
    if action.dest in ("limit", "allow", "deny", "status") and action.metavar != "N":
        return _WORDS[action.dest]
    if action.metavar in ("SCRIPT", "FILE") or action.dest == "output":
        return FilesCompleter()
    return None


def sessions_and_scripts(prefix: str, parsed_args: Namespace, **_: object) -> list[str]:
    """Return what `respell debug` takes: sessions, and files."""
    return [*sessions(prefix, parsed_args), *FilesCompleter()(prefix)]


def sessions(prefix: str, parsed_args: Namespace, **_: object) -> dict[str, str]:
    """Return ids (or, where that is plainer, unique names) of sessions, each with a remark."""
    from respell.sessions.record import SessionQuery
    from respell_tui.context import Command

    found = {"@last": "the session that changed last"} if "@last".startswith(prefix) else {}
    try:
        with Command(parsed_args).open_store() as store:
            listed = store.sessions.list(SessionQuery(limit=_MOST, sort="updated_at"))
    except RespellError:
        return {}  # without a store there is nothing to offer, and no place to say why
    names = [one.name for one in listed]
    for one in listed:
        remark = f"{one.status} {one.name if _PLAIN.fullmatch(one.name) else ''}".strip()
        if one.id.startswith(prefix) and (prefix or names.count(one.name) != 1):
            found[one.id[: max(8, len(prefix) + 1)]] = remark
        if one.name.startswith(prefix) and names.count(one.name) == 1:
            if _PLAIN.fullmatch(one.name):
                found[one.name] = f"{one.status} {one.id[:8]}"
            else:
                found[one.id[:8]] = remark
    return found


def artifacts(prefix: str, parsed_args: Namespace, **_: object) -> dict[str, str]:
    """Return `SESSION/NAME` of artifacts, or names where the session stands before."""
    from respell.artifacts.record import ArtifactQuery
    from respell_tui.context import Command

    given = [word for word in getattr(parsed_args, "artifact", None) or [] if word]
    owner, slash, _rest = prefix.partition("/")
    if not given and not slash:
        return {f"{name}/": what for name, what in sessions(prefix, parsed_args).items()}
    try:
        with Command(parsed_args).open_store() as store:
            session = store.sessions.find(given[0] if given else owner)
            listed = store.artifacts.list(ArtifactQuery(session_id=session.id, limit=_MOST))
    except RespellError:
        return {}
    before = "" if given else f"{owner}/"
    return {
        f"{before}{one.name}": one.mime_type for one in listed if _PLAIN.fullmatch(one.name)
    }  # fmt: skip


class _Nothing(BaseCompleter):
    def __call__(
        self, *, prefix: str, action: Action, parser: ArgumentParser, parsed_args: Namespace
    ) -> list[str]:
        """Offer nothing: a name, a number or JSON is the person's own."""
        return []


def _limits(prefix: str, **_: object) -> list[str]:
    from respell.policies.limits import LIMITS

    rates = ["rate=", "rate.agent.request=", "rate.tool.invoke=", "rate.state.set="]
    return [f"{name}=" for name in LIMITS] + rates


def _permissions(prefix: str, **_: object) -> list[str]:
    from respell.rules import KINDS

    return list(KINDS)


def _statuses(prefix: str, **_: object) -> list[str]:
    from respell.sessions.lifecycle import STATUSES
    from respell_tui.describe import STATES

    return [*STATUSES, *STATES]


_WORDS: dict[str, Completer] = {
    "limit": _limits, "allow": _permissions, "deny": _permissions, "status": _statuses,
}  # fmt: skip

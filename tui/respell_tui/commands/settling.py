"""What `--retry`, `--outcome` and `--fail` say about effects in doubt."""

from __future__ import annotations

import re
from typing import Any

from respell.engine.doubt import Settlements, in_doubt
from respell.errors import UsageError
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell_tui.context import Command, event_number, json_option, short, text_option

_NUMBERED = re.compile(r"(\d+)=(.*)", re.DOTALL)


def settlements_of(command: Command, store: Store, session: SessionRecord) -> Settlements:
    """Return what the options decide, by event number.

    Raises:
        UsageError: A number is left out where not exactly one effect is in doubt, or one
            effect is settled twice.
    """
    args = command.args
    retry: list[int] = []
    outcome: list[tuple[int, Any]] = []
    fail: list[tuple[int, str]] = []
    for text in args.retry:
        number = event_number(text, "--retry") if text else _only(store, session, "--retry")
        retry.append(number)
    for text in args.outcome:
        number, rest = _numbered(store, session, text, "--outcome")
        outcome.append((number, json_option(rest, "--outcome")))
    for text in args.fail:
        number, reason = _numbered(store, session, text_option(text, "--fail"), "--fail")
        fail.append((number, reason))
    numbers = [*retry, *(number for number, _ in outcome), *(number for number, _ in fail)]
    if twice := next((number for number in numbers if numbers.count(number) > 1), None):
        raise UsageError(f"event {twice} is settled twice: give one of --retry, --outcome, --fail")
    return Settlements(frozenset(retry), dict(outcome), dict(fail))


def _numbered(store: Store, session: SessionRecord, text: str, option: str) -> tuple[int, str]:
    match = _NUMBERED.fullmatch(text)
    if match is None:
        return _only(store, session, option), text
    return event_number(match[1], option), match[2]


def _only(store: Store, session: SessionRecord, option: str) -> int:
    doubtful = in_doubt(store, session)
    if len(doubtful) == 1:
        return doubtful[0].number
    if not doubtful:
        raise UsageError(f"{option}: nothing of session {short(session)} is in doubt")
    numbers = ", ".join(str(one.number) for one in doubtful)
    raise UsageError(f"{option} needs the event's number: {numbers} are in doubt")

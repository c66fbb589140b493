"""Messages: requests as they come, their arguments one by one, and what is answered."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from respell.errors import UsageError

Body = dict[str, Any]


class Code(IntEnum):
    """Ids of errors, as clients get them with each refusal."""

    MALFORMED = 1
    UNKNOWN = 2
    ARGUMENTS = 3
    NOT_NOW = 4
    STALE = 5
    CANCELLED = 6
    REFUSED = 7
    UNEXPECTED = 8


class Refused(UsageError):
    """A request that can't be carried out.

    Attributes:
        code: What kind of reason it is.
        short: What the response's `message` says; the error itself is for people.
        show: Whether the client should show it to them.
    """

    def __init__(
        self, message: str, code: Code = Code.REFUSED, *, short: str = "", show: bool = True
    ) -> None:
        super().__init__(message)
        self.code, self.short, self.show = code, short or message, show


class BadMessage(Exception):
    """A message that is no request.

    Attributes:
        seq: Its number, as far as it has one; else 0.
        command: What it asks for, as far as that can be told.
    """

    def __init__(self, message: str, seq: int = 0, command: str = "") -> None:
        super().__init__(message)
        self.seq, self.command = seq, command


def _wrong(command: str, name: str, wanted: str, given: object) -> Refused:
    shown = json.dumps(given, default=str)
    return Refused(f"{command}: {name} has to be {wanted}, not {shown[:60]}", Code.ARGUMENTS)


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of a request, or an object in them; each is checked when it is asked for.

    Attributes:
        command: The request.
        given: The arguments as they came.
    """

    command: str
    given: Body = field(default_factory=dict)

    def has(self, name: str) -> bool:
        """Whether an argument is given; null is not."""
        return self.given.get(name) is not None

    def text(self, name: str, default: str | None = None) -> str:
        """Return a text; without a default it has to be there."""
        value = self.given.get(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str):
            raise _wrong(self.command, name, "a text", value)
        return value

    def integer(self, name: str, default: int | None = None, *, least: int = 0) -> int:
        """Return an integer of at least `least`; without a default it has to be there."""
        value = self.given.get(name)
        if value is None and default is not None:
            return default
        if isinstance(value, float) and abs(value) < 1 << 53 and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 1 << 53:
            raise _wrong(self.command, name, f"an integer from {least} on", value)
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        """Return true or false."""
        value = self.given.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise _wrong(self.command, name, "true or false", value)
        return value

    def texts(self, name: str) -> list[str]:
        """Return a list of texts; empty where there is none."""
        value = self.given.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise _wrong(self.command, name, "a list of texts", value)
        return value

    def object(self, name: str) -> Arguments:
        """Return an object; an empty one where there is none."""
        value = self.given.get(name)
        if value is None:
            return Arguments(self.command)
        if not isinstance(value, dict):
            raise _wrong(self.command, name, "an object", value)
        return Arguments(self.command, value)

    def objects(self, name: str) -> list[Arguments]:
        """Return a list of objects; empty where there is none."""
        value = self.given.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise _wrong(self.command, name, "a list of objects", value)
        return [Arguments(self.command, one) for one in value]

    def one_of(self, name: str, choices: tuple[str, ...], default: str) -> str:
        """Return one of some texts."""
        value = self.text(name, default)
        if value not in choices:
            raise _wrong(self.command, name, "one of " + ", ".join(choices), value)
        return value


@dataclass(frozen=True, slots=True)
class Request:
    """A request of the client.

    Attributes:
        seq: Its number, which the response refers to.
        command: What it asks for.
        arguments: With what.
    """

    seq: int
    command: str
    arguments: Arguments


def request_of(content: bytes) -> Request:
    """Return the request that a message is.

    Raises:
        BadMessage: It is none; says why.
    """
    try:
        message = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BadMessage(f"the message is no JSON: {error}") from None
    if not isinstance(message, dict):
        raise BadMessage("the message is no object")
    seq, command = message.get("seq"), message.get("command")
    if not isinstance(seq, int) or isinstance(seq, bool):
        raise BadMessage("the message has no number seq")
    if message.get("type") != "request" or not isinstance(command, str):
        raise BadMessage("the message is no request with a command", seq)
    arguments = message.get("arguments")
    if arguments is None:
        arguments = {}
    if not isinstance(arguments, dict):
        raise BadMessage("the arguments are no object", seq, command)
    return Request(seq, command, Arguments(command, arguments))

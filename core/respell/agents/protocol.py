"""What a provider is: it takes a request to a model, and returns the model's answer.

Requests and answers are plain data without a model's or a company's own words, so that an
OpenAI-compatible chat and Anthropic's messages are both one translation away.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from respell.errors import EffectFailed
from respell.security import Permissions

Role = Literal["system", "user", "assistant", "tool"]

BYTES_PER_TOKEN = 4
"""Of the rule by which tokens are counted where a provider does not say."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A tool that a model wants called.

    Attributes:
        id: Which call a result belongs to; unique within one answer.
        name: The tool.
        arguments: Named arguments; or what the model wrote, where that is no JSON object.
    """

    id: str
    name: str
    arguments: Any


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation.

    Attributes:
        role: Who speaks. A `system` message comes first, if there is one.
        text: What is said; may be empty where tools are called.
        tool_calls: Tools that an `assistant` wants called.
        tool_call_id: The call that a `tool` message answers.
        is_error: Whether that call failed.
    """

    role: Role
    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class ToolDefinition:
    """A tool that a model may ask for.

    Attributes:
        name: The tool.
        description: What it does, for the model.
        parameters: JSON Schema of its arguments.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Request:
    """What a model is asked.

    Attributes:
        model: The model, as the provider knows it (without the provider's name).
        messages: The conversation so far, oldest first.
        tools: Tools the model may ask for.
        temperature: 0 to 2; None for the provider's own.
        max_tokens: Most tokens of the answer; None for the provider's own.
        stop: Texts before which the answer ends.
        seed: For models that can answer the same twice; None for none.
        options: The provider's own options, as the script gave them.
        turn: The how-manieth request of its agent this is, from 1.
    """

    model: str
    messages: tuple[Message, ...] = ()
    tools: tuple[ToolDefinition, ...] = ()
    temperature: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    turn: int = 1


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that a request took.

    Attributes:
        input_tokens: Of the request.
        output_tokens: Of the answer.
        estimated: Counted by `estimated_usage`, because the provider did not say.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Response:
    """What a model answered.

    Attributes:
        text: The answer; may be empty where tools are called. At the end of a stream it may
            be left empty: what was streamed is the text.
        tool_calls: Tools to be called, whose results the model then gets.
        usage: Tokens it took; None where the provider does not know.
        finish_reason: Why it ends: `stop`, `length`, `tool_calls`, or the provider's word.
        cost_usd: What it cost, in US dollars; None for what `Provider.cost` says.
        model: The model that really answered, where that may be another one.
    """

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage | None = None
    finish_reason: str = "stop"
    cost_usd: float | None = None
    model: str = ""


@dataclass(frozen=True, slots=True)
class ProviderContext:
    """What a provider may use.

    Attributes:
        session_id: Id of the session whose script asks.
        permissions: What the script may do; a provider that connects or opens files asks it.
        cancel: Set when the answer is no longer wanted.
        number: Number of the event that this request is; 0 where an agent is only made.
        attempt: The how-manieth time that this request is made, from 1.
    """

    session_id: str
    permissions: Permissions
    cancel: threading.Event = field(default_factory=threading.Event)
    number: int = 0
    attempt: int = 1

    def check_cancelled(self) -> None:
        """Leave the provider if the answer is no longer wanted; to be called in loops.

        Raises:
            EffectFailed: It is not.
        """
        self.wait(0.0)

    def wait(self, seconds: float) -> None:
        """Wait, or leave the provider as soon as the answer is no longer wanted.

        Raises:
            EffectFailed: It is not.
        """
        if self.cancel.wait(seconds) if seconds > 0 else self.cancel.is_set():
            raise EffectFailed("the request was cancelled")


class Provider(Protocol):
    """Reaches models. It may be called from several threads at once, and keeps its keys to itself.

    A class that is derived from this one only has to define `complete`.
    """

    def complete(self, request: Request, ctx: ProviderContext) -> Response:
        """Ask a model and return its whole answer.

        Raises:
            EffectFailed: It gave none; the text tells the script why.
        """
        ...

    def stream(self, request: Request, ctx: ProviderContext) -> Iterator[str | Response]:
        """Ask a model and yield its answer in pieces, as they come; a `Response` ends it.

        The iterator is closed where no more is wanted. Without a `Response` at the end, the
        answer is what was yielded.

        Raises:
            EffectFailed: The answer broke off; the text tells the script why.
        """
        response = self.complete(request, ctx)
        yield response.text
        yield response

    def check(self, request: Request, ctx: ProviderContext) -> None:
        """Do nothing when an agent with such requests makes sense; asks no model.

        Args:
            request: With the agent's model and options, but neither messages nor tools.
            ctx: What may be used.

        Raises:
            UsageError: The model is unknown, or an option is wrong; says what is allowed.
            EffectFailed: Something is missing; says what to install or set.
        """
        return

    def cost(self, usage: Usage, request: Request) -> float | None:
        """Return what tokens cost, in US dollars; None where the provider does not know.

        Asked where a `Response` has no cost, and for a stream that the script stopped: its
        tokens are then estimated.
        """
        return None

    def is_idempotent(self, request: Request) -> bool:
        """Return whether asking twice is the same as once, so that nobody need be asked."""
        return False


def tokens_of(text: str) -> int:
    """Return how many tokens a text counts as: one for every 4 bytes begun."""
    return -(-len(text.encode(errors="replace")) // BYTES_PER_TOKEN)


def estimated_usage(request: Request, response: Response) -> Usage:
    """Return the tokens that a request and its answer count as where nobody knows."""
    said = sum(_tokens(message.text, message.tool_calls) for message in request.messages)
    answered = _tokens(response.text, response.tool_calls)
    return Usage(said, answered, estimated=True)


def _tokens(text: str, calls: tuple[ToolCall, ...]) -> int:
    return tokens_of(text) + sum(
        tokens_of(call.name) + tokens_of(str(call.arguments)) for call in calls
    )

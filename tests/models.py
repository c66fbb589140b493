"""A model in the test's own hands: `test/…`, which says what it is told and counts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from respell.agents import registry
from respell.agents.protocol import Provider, ProviderContext, Request, Response

Answer = Callable[[Request], Any]


class Model(Provider):
    """Answers `1: …`, `2: …`; or what `answers` gives in order; or what `answer` returns.

    Attributes:
        asked: Every request so far.
        answer: What makes an answer of a request; pieces of a stream if it is a generator.
    """

    def __init__(self) -> None:
        self.asked: list[Request] = []
        self.contexts: list[ProviderContext] = []
        self.answers: list[Any] = []
        self.answer: Answer = self._next
        self.idempotent = False
        self.begun = threading.Event()

    def _next(self, request: Request) -> Any:
        if self.answers:
            return self.answers.pop(0)
        return f"{len(self.asked)}: {request.messages[-1].text}"

    def complete(self, request: Request, ctx: ProviderContext) -> Response:
        """Answer in one."""
        self._note(request, ctx)
        answer: Any = self.answer(request)
        return answer if not isinstance(answer, str) else Response(answer)

    def stream(self, request: Request, ctx: ProviderContext) -> Iterator[str | Response]:
        """Yield what the answer yields; a text word by word."""
        self._note(request, ctx)
        answer = self.answer(request)
        if isinstance(answer, Response):
            yield from answer.text.split()
            yield answer
        elif isinstance(answer, str):
            yield from [f"{word} " for word in answer.split()]
        else:
            yield from answer

    def is_idempotent(self, request: Request) -> bool:
        """Return what the test said."""
        return self.idempotent

    def _note(self, request: Request, ctx: ProviderContext) -> None:
        self.asked.append(request)
        self.contexts.append(ctx)
        self.begun.set()


@contextmanager
def model_in_hand(name: str = "test") -> Iterator[Model]:
    """Have a provider of this name for as long as the block runs."""
    made = Model()
    registry.register(name, made)
    try:
        yield made
    finally:
        registry.unregister(name)

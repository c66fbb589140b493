"""Chains: several members that are asked whether something goes on, in one of three ways.

- *sequential*: one after the other, in their order. The first that does not let it go on
  decides, and those behind it are not asked.
- *parallel*: all at the same time, each with a copy of what it is asked about. The first in
  their order that does not let it go on decides; all have been asked.
- *voting*: all at the same time, likewise. It goes on where the share of those that let it is
  at least the threshold, whoever does not.

A member that fails is the caller's to deal with: what it raised is its answer.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, Literal, TypeVar

from respell.errors import UsageError
from respell.hooks import threads
from respell.quick import quick_dataclass

Composition = Literal["sequential", "parallel", "voting"]
COMPOSITIONS: tuple[Composition, ...] = ("sequential", "parallel", "voting")

C = TypeVar("C")
R = TypeVar("R")


@quick_dataclass(frozen=True, slots=True)
class Member(Generic[C, R]):
    """One that is asked.

    Attributes:
        name: What people call it.
        ask: Takes what it is asked about, returns its answer.
        instant: It only compares numbers, so no thread is worth it.
    """

    name: str
    ask: Callable[[C], R]
    instant: bool = False


@quick_dataclass(frozen=True, slots=True)
class Answer(Generic[R]):
    """What a member answered.

    Attributes:
        member: Its name.
        result: The answer; None where it failed.
        error: What it raised; None where it answered.
    """

    member: str
    result: R | None = None
    error: Exception | None = None


@quick_dataclass(frozen=True, slots=True)
class Tally(Generic[R]):
    """What a chain came to.

    Attributes:
        goes_on: Whether it goes on.
        answers: What was answered, in the members' order.
        stopped_by: The answer that decided against it; None where it goes on. In a vote the
            first of those against.
        votes: How many let it go on.
        of: How many were asked.
    """

    goes_on: bool
    answers: tuple[Answer[R], ...]
    stopped_by: Answer[R] | None
    votes: int
    of: int

    @property
    def vote(self) -> str:
        """The outcome of a vote that was lost, in words."""
        return f"voting threshold not met: {self.votes} of {self.of}"


class Chain(Generic[C, R]):
    """Asks members.

    Args:
        composition: sequential, parallel or voting.
        threshold: The share that a vote needs, above 0 and up to 1.
        lets: Whether an answer lets it go on; an error never does.
        copy: Returns what one of several members that are asked at once gets.
        advance: Returns what the next member of a sequence gets, given what the one before it
            got and answered.
        time_limit_s: Seconds that a member may take; its answer is a `TimeoutError` then. None
            for any: those in a sequence are called right here.

    Raises:
        UsageError: There is no such composition, or the threshold is none.
    """

    def __init__(
        self,
        composition: str,
        lets: Callable[[R], bool],
        copy: Callable[[C], C],
        *,
        threshold: float = 0.5,
        advance: Callable[[C, R], C] | None = None,
        time_limit_s: float | None = None,
    ) -> None:
        check_composition(composition, threshold)
        self.composition = composition
        self.threshold = threshold
        self._lets = lets
        self._copy = copy
        self._advance = advance
        self._time_limit_s = time_limit_s

    def ask(self, members: Sequence[Member[C, R]], about: C) -> Tally[R]:
        """Ask the members; return what they came to. Without members it goes on."""
        if self.composition == "sequential":
            return self._one_by_one(members, about)
        answers = self._all_at_once(members, about)
        against = [one for one in answers if not self._is_for(one)]
        votes, of = len(answers) - len(against), len(answers)
        if self.composition == "parallel":
            goes_on = not against
        else:
            goes_on = not of or votes / of >= self.threshold - 1e-12
        return Tally(goes_on, answers, None if goes_on else against[0], votes, of)

    def _is_for(self, answer: Answer[R]) -> bool:
        return answer.result is not None and self._lets(answer.result)

    def _one_by_one(self, members: Sequence[Member[C, R]], about: C) -> Tally[R]:
        answers: list[Answer[R]] = []
        lets, advance = self._lets, self._advance
        for member in members:
            if member.instant or self._time_limit_s is None:
                answer = _answer(member, about)
            else:
                answer = self._answered(member, about)
            answers.append(answer)
            result = answer.result
            if result is None or not lets(result):
                return Tally(False, tuple(answers), answer, len(answers) - 1, len(members))
            if advance is not None:
                about = advance(about, result)
        return Tally(True, tuple(answers), None, len(answers), len(members))

    def _all_at_once(self, members: Sequence[Member[C, R]], about: C) -> tuple[Answer[R], ...]:
        slow = [one for one in members if not one.instant]
        if len(slow) < 2:
            return tuple(self._answered(member, self._copy(about)) for member in members)
        asked = {id(member): self._submit(member, self._copy(about)) for member in slow}
        return tuple(
            _answer(member, self._copy(about))
            if member.instant
            else self._taken(member, asked[id(member)])
            for member in members
        )

    def _answered(self, member: Member[C, R], about: C) -> Answer[R]:
        if member.instant or self._time_limit_s is None:
            return _answer(member, about)
        return self._taken(member, self._submit(member, about))

    def _submit(self, member: Member[C, R], about: C) -> Future[Answer[R]]:
        made: Future[Answer[R]] = Future()
        context = contextvars.copy_context()

        def work() -> Callable[[], None]:
            answer = context.run(_answer, member, about)
            return lambda: made.set_result(answer)

        threads.run(work)
        return made

    def _taken(self, member: Member[C, R], asked: Future[Answer[R]]) -> Answer[R]:
        try:
            return asked.result(self._time_limit_s)
        except TimeoutError as error:
            return Answer(member.name, error=error)


def check_composition(composition: str, threshold: float) -> None:
    """Do nothing where these are a composition and a threshold.

    Raises:
        UsageError: One of them is not; says what is allowed.
    """
    if composition not in COMPOSITIONS:
        raise UsageError(f"composition must be {', '.join(COMPOSITIONS)}, not {composition!r:.40}")
    if isinstance(threshold, bool) or not isinstance(threshold, int | float):
        raise UsageError(f"threshold must be a number above 0 and up to 1, not {threshold!r:.40}")
    if not 0 < threshold <= 1:
        raise UsageError(f"threshold must be a number above 0 and up to 1, not {threshold!r:.40}")


def _answer(member: Member[C, R], about: C) -> Answer[R]:
    try:
        return Answer(member.name, member.ask(about))
    except Exception as error:  # noqa: BLE001 - a member is somebody else's code
        return Answer(member.name, error=error)

"""Policies of one's own: what decides, besides the limits, whether an effect is performed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from respell import values
from respell.errors import UsageError
from respell.policies.chains import Chain, Composition, check_composition
from respell.policies.rates import Rate
from respell.quick import quick_dataclass
from respell.setting import rates_by_name

if TYPE_CHECKING:
    from respell.config import Config
    from respell.sessions.record import SessionRecord

BUILT_IN = ("timeout", "resources", "rates")
"""The policies that are always asked, where a session has such a limit."""

OnLimit = Literal["suspend", "fail"]
OnRate = Literal["wait", "stop"]


@quick_dataclass(frozen=True, slots=True)
class Verdict:
    """What a policy says about an effect.

    Attributes:
        kind: allow, warn (it is performed, and the reason is told) or deny.
        reason: Why, for people.
        fail: With deny: the session fails instead of being suspended.
    """

    kind: Literal["allow", "warn", "deny"]
    reason: str = ""
    fail: bool = False


ALLOWED = Verdict("allow")


def allow() -> Verdict:
    """Return the verdict that an effect may be performed."""
    return ALLOWED


def warn(reason: str) -> Verdict:
    """Return the verdict that an effect may be performed, but that somebody should know.

    Args:
        reason: What; told and recorded once in a run for each policy and reason.
    """
    return Verdict("warn", reason)


def deny(reason: str, *, fail: bool = False) -> Verdict:
    """Return the verdict that an effect may not be performed: the session ends there.

    Args:
        reason: Why, for people.
        fail: The session fails; otherwise it is suspended, and asks again when resumed.
    """
    return Verdict("deny", reason, fail)


@quick_dataclass(frozen=True, slots=False)
class PolicyContext:
    """What a policy decides by.

    Attributes:
        session: The session, as it is in the store.
        effect: The effect that is about to be performed, e.g. `tool.invoke`.
        usage: What the session has used so far, up to this very moment: operations, tokens,
            cost_usd, active_s, history_bytes, artifacts, artifact_bytes.
        limits: Its limits.
        encoded: The canonical bytes of the effect's arguments.
    """

    session: SessionRecord
    effect: str
    usage: Mapping[str, Any]
    limits: Mapping[str, Any]
    encoded: bytes = field(default=b"", repr=False)

    @cached_property
    def args(self) -> dict[str, Any]:
        """The effect's arguments by name, e.g. `name` and `params` of `tool.invoke`."""
        args = values.decode(self.encoded) if self.encoded else None
        return args if isinstance(args, dict) else {}

    @property
    def tool(self) -> str | None:
        """The name of the tool that is called; None for another effect."""
        name = self.args.get("name") if self.effect == "tool.invoke" else None
        return name if isinstance(name, str) else None

    def copy(self) -> PolicyContext:
        """Return one like it that shares nothing that could be changed."""
        return replace(self, usage=dict(self.usage), limits=dict(self.limits))


Judge = Callable[[PolicyContext], Any]
_J = TypeVar("_J", bound=Any)


@dataclass(frozen=True, slots=True)
class OwnPolicy:
    """A policy that somebody wrote.

    Attributes:
        name: What people call it; `limit.policy` events and messages name it.
        judge: Takes the context; returns a verdict, its kind as a word, or None to allow.
    """

    name: str
    judge: Judge

    def ask(self, context: PolicyContext) -> Verdict:
        """Return what it says.

        Raises:
            UsageError: It returned no verdict.
        """
        said = self.judge(context)
        if said is None:
            return ALLOWED
        if isinstance(said, Verdict):
            return said
        if said in ("allow", "warn", "deny"):
            return Verdict(said)
        raise UsageError(
            f"it returned {said!r:.60}; a policy returns respell.policies.allow(), warn(reason) "
            "or deny(reason), or None to allow"
        )


_registered: dict[str, OwnPolicy] = {}
_lock = threading.Lock()


@overload
def policy(given: _J, /) -> _J: ...
@overload
def policy(given: str | None = None, /) -> Callable[[_J], _J]: ...
def policy(given: Any = None, /) -> Any:
    """Register a policy for all sessions that this process runs from now on.

    It is asked before every effect that the host performs: in the host, so it is not part of
    what is executed again. Use it as a decorator of a function that takes a `PolicyContext`,
    or of a class that is made without arguments and has such a `__call__`.

    Args:
        given: The function or class, or the policy's name; without one that of the function.

    Raises:
        UsageError: Another policy has that name, or nothing can be called.
    """
    if given is None or isinstance(given, str):
        return lambda judge: _register(judge, given)
    return _register(given, None)


def _register(judge: Any, name: str | None) -> Any:
    made = own_policy(judge, name)
    with _lock:
        if made.name in _registered:
            raise UsageError(f"there is a policy {made.name!r} already; give it another name")
        _registered[made.name] = made
    return judge


def own_policy(judge: Any, name: str | None = None) -> OwnPolicy:
    """Return the policy of a function, an object that can be called, or a class of such.

    Raises:
        UsageError: It can't be called, or its name is that of a built-in one.
    """
    named = name or getattr(judge, "__name__", None) or type(judge).__name__
    if named in BUILT_IN:
        raise UsageError(f"a policy can't be called {named!r}: that one is built in")
    if isinstance(judge, type):
        judge = judge()
    if not callable(judge):
        raise UsageError(f"a policy is a function that takes a PolicyContext, not {judge!r:.60}")
    return OwnPolicy(named, judge)


def unregister(name: str) -> bool:
    """Take a registered policy back; return whether there was one of that name."""
    with _lock:
        return _registered.pop(name, None) is not None


def registered() -> tuple[OwnPolicy, ...]:
    """Return the registered policies, in the order in which they were registered."""
    with _lock:
        return tuple(_registered.values())


class Policies:
    """How the policies of a run are put together.

    What is not given holds as the configuration says (`[policies]`).

    Args:
        members: Policies that are asked besides the registered ones: functions, objects that
            can be called, or classes of such.
        composition: `sequential`, `parallel` or `voting` (see `respell.policies.chains`).
        threshold: The share of members that a vote needs, above 0 and up to 1.
        on_limit: What becomes of a session that a limit or policy stops: `suspend` or `fail`.
        on_rate: What becomes of an effect that a rate does not let through: `wait` or `stop`.
        alerts: The shares of a limit at which that is told, each between 0 and 1.
        warn_before: Seconds before the end of `max_duration` at which that is told.

    Raises:
        UsageError: One of them is wrong; says what is allowed.
    """

    def __init__(
        self,
        members: Iterable[Any] = (),
        *,
        composition: Composition | None = None,
        threshold: float | None = None,
        on_limit: OnLimit | None = None,
        on_rate: OnRate | None = None,
        alerts: Sequence[float] | None = None,
        warn_before: Sequence[float] | None = None,
    ) -> None:
        self.members = tuple(own_policy(one) for one in members)
        names = [one.name for one in self.members]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise UsageError(f"two policies are called {twice!r}; give one another name")
        check_composition(composition or "sequential", 1 if threshold is None else threshold)
        for what, given, allowed in (
            ("on_limit", on_limit, ("suspend", "fail")),
            ("on_rate", on_rate, ("wait", "stop")),
        ):
            if given is not None and given not in allowed:
                raise UsageError(f"{what} must be {' or '.join(allowed)}, not {given!r:.40}")
        if not all(0 < share < 1 for share in alerts or ()):
            raise UsageError(f"alerts must be shares between 0 and 1, not {alerts!r:.60}")
        if not all(seconds > 0 for seconds in warn_before or ()):
            raise UsageError(f"warn_before must be seconds above 0, not {warn_before!r:.60}")
        self.composition = composition
        self.threshold = threshold
        self.on_limit = on_limit
        self.on_rate = on_rate
        self.alerts = None if alerts is None else tuple(alerts)
        self.warn_before = None if warn_before is None else tuple(warn_before)

    def asked(self) -> tuple[OwnPolicy, ...]:
        """Return the registered policies and these members, in the order they are asked.

        Raises:
            UsageError: A member is called like a registered policy.
        """
        asked = registered()
        known = {one.name for one in asked}
        if twice := next((one.name for one in self.members if one.name in known), None):
            raise UsageError(f"there is a policy {twice!r} already; give yours another name")
        return (*asked, *self.members)

    def settled(self, config: Config) -> Settled:
        """Return what holds for a run that begins now.

        Raises:
            UsageError: A member is called like a registered policy.
        """
        said = config.policies
        return Settled(
            own=self.asked(),
            again=self.asked,
            chain=Chain(
                self.composition or said.composition,
                lambda verdict: verdict.kind != "deny",
                PolicyContext.copy,
                threshold=said.threshold if self.threshold is None else self.threshold,
            ),
            fails=(self.on_limit or said.on_limit) == "fail",
            waits=(self.on_rate or said.on_rate) == "wait",
            shared={name: Rate.parse(rate) for name, rate in rates_by_name(said.rate).items()},
            alerts=said.alerts if self.alerts is None else self.alerts,
            warn_before=said.warn_before if self.warn_before is None else self.warn_before,
        )


@dataclass(frozen=True)
class Settled:
    """The policies of one run.

    Attributes:
        own: Those that somebody wrote, in the order in which they are asked.
        again: Returns them as they are once packages have registered theirs.
        chain: How they and the built-in ones are asked.
        fails: A session that is stopped fails, instead of being suspended.
        waits: An effect that a rate does not let through waits, instead of stopping the run.
        shared: Rates of all sessions of the store together, by name.
        alerts: The shares of a limit at which that is told.
        warn_before: Seconds before the end of `max_duration` at which that is told.
    """

    own: tuple[OwnPolicy, ...]
    again: Callable[[], tuple[OwnPolicy, ...]]
    chain: Chain[PolicyContext, Verdict]
    fails: bool
    waits: bool
    shared: Mapping[str, Rate]
    alerts: Sequence[float]
    warn_before: Sequence[float]

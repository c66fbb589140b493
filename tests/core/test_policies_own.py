"""Policies of one's own decide over effects, together with the built-in ones."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import respell
from models import Model, model_in_hand
from respell import PolicyContext
from respell import policies as registry
from respell.config import Config
from respell.errors import UsageError
from respell.policies import allow, deny, warn
from respell.policies.notices import Notice
from respell.settings import PolicySettings
from respell.store import Store
from stories import respell as command
from stories import write_script

LOOP = "for i = 1, 5 do State.set('i', i) print(i) end"


@pytest.fixture
def model() -> Iterator[Model]:
    """The provider `test`."""
    with model_in_hand() as made:
        yield made


@contextmanager
def registered(*judges: Any) -> Iterator[None]:
    """Register policies for as long as the block runs."""
    names = [one.__name__ for one in judges]
    try:
        for judge in judges:
            respell.policy(judge)
        yield
    finally:
        for name in names:
            registry.unregister(name)


def test_a_policy_is_asked_before_every_effect_and_knows_what_was_used(
    script: Any, model: Model
) -> None:
    seen: list[tuple[str, int, Any, Any]] = []

    def watch(context: PolicyContext) -> None:
        seen.append((context.effect, context.usage["operations"], context.tool,
                     context.limits.get("tokens")))  # fmt: skip

    script(
        """
        State.set("k", 1)
        Tool.invoke("calculator", {input = "1 + 1"})
        Agent.create{model = "test/m"}:execute("q")
        """,
        limits={"tokens": 7}, policies=respell.Policies([watch]),
    )  # fmt: skip
    assert [(name, used, tool) for name, used, tool, _ in seen] == [
        ("state.set", 0, None), ("tool.invoke", 1, "calculator"), ("agent.create", 2, None),
        ("agent.request", 3, None),
    ]  # fmt: skip
    assert {tokens for *_, tokens in seen} == {7}


def test_a_policy_that_denies_stops_the_session_which_asks_again(
    script: Any, store: Store, names: Any
) -> None:
    limit = [2]

    def few(context: PolicyContext) -> Any:
        if context.effect == "state.set" and context.args["value"] > limit[0]:
            return deny(f"{context.args['value']} is too much for {context.session.name}")
        return allow()

    with registered(few):
        stopped = script(LOOP)
        assert (stopped.exit_code, stopped.ended.limit) == (5, "policy.few")
        assert stopped.session.status == "suspended"
        assert "stopped by the policy few after event" in stopped.ended.message
        assert "3 is too much for main" in stopped.ended.message
        assert "asks again" in stopped.ended.message
        assert "limit.policy.few" in names(stopped)
        assert script.resume(stopped.session).exit_code == 5
        limit[0] = 100
        done = script.resume(stopped.session)
    assert done.session.status == "completed"
    assert script.lines == ["1", "2", "3", "4", "5"]
    assert respell.replay(done.session, store=store).identical


def test_a_policy_can_let_the_session_fail(script: Any) -> None:
    stopped = script(LOOP, policies=respell.Policies([_never]))
    assert (stopped.session.status, stopped.exit_code) == ("failed", 5)
    assert "never" in stopped.session.error["message"]


def _never(context: PolicyContext) -> Any:
    return deny("never", fail=True)


def test_a_warning_is_told_once_for_each_reason(script: Any, store: Store) -> None:
    told: list[Notice] = []

    def careful(context: PolicyContext) -> Any:
        return warn("an even one") if context.args.get("value", 1) % 2 == 0 else None

    done = script(LOOP, policies=respell.Policies([careful]), on_alert=told.append)
    assert done.session.status == "completed"
    assert [(one.name, one.limit, one.args["reason"]) for one in told] == [
        ("limit.warning", "policy.careful", "an even one")
    ]
    assert respell.replay(done.session, store=store).identical


def test_a_policy_that_fails_denies_and_says_so(script: Any) -> None:
    def broken(context: PolicyContext) -> None:
        raise KeyError("no such thing")

    stopped = script(LOOP, policies=respell.Policies([broken]))
    assert stopped.exit_code == 5
    assert "stopped by the policy broken" in stopped.ended.message
    assert "it failed (KeyError: 'no such thing')" in stopped.ended.message
    assert script.lines == []


@pytest.mark.parametrize("said", [True, 1, "maybe", {"allow": True}])
def test_a_policy_that_says_nothing_clear_denies(script: Any, said: Any) -> None:
    stopped = script(LOOP, policies=respell.Policies([lambda context: said]))
    assert stopped.exit_code == 5
    assert "a policy returns respell.policies.allow()" in stopped.ended.message


def test_words_and_classes_will_do(script: Any) -> None:
    class Limited:
        def __init__(self) -> None:
            self.left = 2

        def __call__(self, context: PolicyContext) -> str:
            self.left -= 1
            return "allow" if self.left >= 0 else "deny"

    stopped = script(LOOP, policies=respell.Policies([Limited]))
    assert stopped.ended.limit == "policy.Limited"
    assert script.lines == ["1", "2"]


def test_names_of_policies_are_their_own(script: Any) -> None:
    def one(context: PolicyContext) -> None: ...

    with registered(one):
        assert [it.name for it in registry.registered()] == ["one"]
        with pytest.raises(UsageError, match="there is a policy 'one' already"):
            respell.policy(one)
        with pytest.raises(UsageError, match="there is a policy 'one' already"):
            script(LOOP, policies=respell.Policies([one]))
        assert script.lines == []
    assert registry.registered() == ()
    assert not registry.unregister("one")
    with pytest.raises(UsageError, match="can't be called 'rates': that one is built in"):
        respell.policy("rates")(one)
    with pytest.raises(UsageError, match="two policies are called 'one'"):
        respell.Policies([one, one])
    with pytest.raises(UsageError, match="a policy is a function"):
        respell.Policies([5])


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"composition": "random"}, "composition must be sequential, parallel, voting"),
        ({"threshold": 0}, "threshold must be a number above 0 and up to 1"),
        ({"threshold": 1.1}, "threshold must be"),
        ({"on_limit": "explode"}, "on_limit must be suspend or fail"),
        ({"on_rate": "never"}, "on_rate must be wait or stop"),
        ({"alerts": (50,)}, "alerts must be shares between 0 and 1"),
        ({"warn_before": (0,)}, "warn_before must be seconds above 0"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        respell.Policies(**options)


# Composition ----------------------------------------------------------------------------------


class Asked:
    """Three policies that note when they are asked, and say what they are told to."""

    def __init__(self, *says: str) -> None:
        self.order: list[str] = []
        self._says = says

    def members(self) -> list[Any]:
        """Return the policies, called first, second and third."""
        return [self._made(name, says) for name, says in zip(_NAMES, self._says, strict=True)]

    def _made(self, name: str, says: str) -> Any:
        def judge(context: PolicyContext) -> Any:
            self.order.append(name)
            return deny(f"{name} says no") if says == "deny" else None

        judge.__name__ = name
        return judge


_NAMES = ("first", "second", "third")


def test_sequential_the_first_that_denies_decides_and_the_rest_is_not_asked(script: Any) -> None:
    asked = Asked("allow", "deny", "deny")
    stopped = script(LOOP, policies=respell.Policies(asked.members()))
    assert stopped.ended.limit == "policy.second"
    assert asked.order == ["first", "second"]


def test_sequential_a_limit_comes_before_policies_and_a_rate_after_them(script: Any) -> None:
    asked = Asked("allow", "allow", "deny")
    limits = {"rate": "1/h burst 1", "operations": 1}
    stop = {"policies": respell.Policies(asked.members(), on_rate="stop"), "limits": limits}
    assert script(LOOP, **stop).ended.limit == "policy.third"  # no token was taken
    asked._says = ("allow", "allow", "allow")
    stop["policies"] = respell.Policies(asked.members(), on_rate="stop")
    stopped = script(LOOP, **stop)
    assert stopped.ended.limit == "operations"
    assert len(asked.order) == 3 + 3
    stop["limits"] = {"rate": "1/h burst 1"}
    assert script(LOOP, **stop).ended.limit == "rate.all"


def test_parallel_all_are_asked_at_the_same_time_and_the_first_in_order_decides(
    script: Any,
) -> None:
    meet = threading.Barrier(3, timeout=20)  # breaks unless all three are asked at once
    asked = Asked("allow", "deny", "deny")
    slow = asked.members()

    def together(judge: Any) -> Any:
        def ask(context: PolicyContext) -> Any:
            meet.wait()
            return judge(context)

        ask.__name__ = judge.__name__
        return ask

    members = [together(one) for one in slow]
    stopped = script(LOOP, policies=respell.Policies(members, composition="parallel"))
    assert stopped.ended.limit == "policy.second"
    assert sorted(asked.order) == ["first", "second", "third"]


def test_parallel_members_get_copies_that_they_can_keep(script: Any) -> None:
    kept: list[PolicyContext] = []

    def one(context: PolicyContext) -> None:
        kept.append(context)
        context.usage["operations"] = 1_000_000  # type: ignore[index]

    def two(context: PolicyContext) -> None:
        assert context.usage["operations"] < 100

    done = script(LOOP, limits={"operations": 50},
                  policies=respell.Policies([one, two], composition="parallel"))  # fmt: skip
    assert done.session.status == "completed"
    assert len({id(one) for one in kept}) == 5


@pytest.mark.parametrize(
    ("says", "threshold", "votes"),
    [
        (("allow", "deny", "deny"), 0.5, None),  # 4 of 6, the built-in ones among them
        (("deny", "deny", "deny"), 0.5, None),  # 3 of 6
        (("deny", "deny", "deny"), 0.51, "3 of 6"),
        (("allow", "allow", "deny"), 1.0, "5 of 6"),
        (("allow", "allow", "allow"), 1.0, None),
    ],
)
def test_voting_the_share_of_all_members_decides(
    script: Any, says: Any, threshold: float, votes: str | None
) -> None:
    asked = Asked(*says)
    ended = script(
        LOOP,
        policies=respell.Policies(asked.members(), composition="voting", threshold=threshold),
    )
    assert sorted(asked.order[:3]) == ["first", "second", "third"]
    if votes is None:
        assert ended.session.status == "completed"
    else:
        assert (ended.exit_code, ended.ended.limit) == (5, "vote")
        assert f"voting threshold not met: {votes}" in ended.ended.message
        assert "third: third says no" in ended.ended.message


def test_voting_counts_a_policy_that_fails_as_a_no(script: Any) -> None:
    def broken(context: PolicyContext) -> None:
        raise RuntimeError("out of order")

    members = respell.Policies([broken], composition="voting", threshold=0.8)
    stopped = script(LOOP, policies=members)
    assert "3 of 4 (broken: it failed (RuntimeError: out of order))" in stopped.ended.message


def test_a_vote_can_overrule_a_limit_of_operations_but_not_what_protects_the_machine(
    script: Any, store: Store
) -> None:
    voting = Config(policies=PolicySettings(composition="voting", threshold=0.6))
    done = script(LOOP, limits={"operations": 2}, config=voting)
    assert done.session.status == "completed"
    assert done.session.usage["operations"] == 5
    assert respell.replay(done.session, store=store).identical
    hard = {
        "memory_bytes": ("local t = {} while true do t[#t + 1] = {} end", 16 * 2**20),
        "max_duration": ("while true do end", 0.6),
        "history_bytes": ("while true do print('x') end", 10_000),
        "artifacts": ("while true do Artifact.store(nil, 'a', 'x') end", 2),
    }
    for limit, (text, value) in hard.items():
        stopped = script(text, limits={limit: value}, config=voting)
        assert (stopped.exit_code, stopped.ended.limit) == (5, limit)


def test_a_vote_lets_a_rate_pass_that_would_stop(script: Any, model: Model) -> None:
    policies = respell.Policies(composition="voting", threshold=0.6, on_rate="stop")
    done = script(LOOP, limits={"rate": "1/h burst 2"}, policies=policies)
    assert done.session.status == "completed"


def test_policies_are_asked_by_a_resume_and_not_by_a_replay(script: Any, store: Store) -> None:
    asked: list[str] = []

    def watch(context: PolicyContext) -> None:
        asked.append(context.effect)

    policies = respell.Policies([watch])
    waiting = script("State.set('a', 1) Session.suspend() State.set('b', 2)", policies=policies)
    assert asked == ["state.set", "session.suspend"]
    asked.clear()
    done = respell.session(waiting.session, store=store).resume(policies=policies)
    assert asked == ["state.set"]
    assert respell.replay(done.session, store=store).identical
    assert asked == ["state.set"]


def test_the_composition_can_be_configured(script: Any) -> None:
    asked = Asked("allow", "deny", "allow")
    parallel = Config(policies=PolicySettings(composition="parallel"))
    with registered(*asked.members()):
        assert script(LOOP, config=parallel).ended.limit == "policy.second"
        assert sorted(asked.order) == ["first", "second", "third"]


def test_policies_and_middleware_come_from_packages_too(tmp_path: Any) -> None:
    """The command line has no other Python than that of packages."""
    info = tmp_path / "lib" / "house_rules-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: house-rules\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[respell.hooks]\nrules = house_rules\n")
    (tmp_path / "lib" / "house_rules.py").write_text(
        "import respell\n"
        "from respell.hooks import Cancel\n"
        "from respell.policies import deny\n"
        "@respell.policy\n"
        "def house(context):\n"
        "    return deny('not in this house') if context.effect == 'state.get' else None\n"
        "@respell.middleware('door', around='state.set')\n"
        "def closed(context):\n"
        "    return Cancel('closed')\n"
    )
    path = write_script(tmp_path, "print(pcall(State.set, 'k', 1)) State.get('k')")
    ran = command("run", path, store=tmp_path / "store", cwd=tmp_path,
                  PYTHONPATH=str(tmp_path / "lib"))  # fmt: skip
    assert ran.returncode == 5, ran.stderr
    assert "cancelled by door: closed: closed" in ran.stdout
    assert "stopped by the policy house" in ran.stderr
    assert "not in this house" in ran.stderr


def test_hooks_are_told_of_limits_that_are_near_and_reached(script: Any) -> None:
    told: list[tuple[str, Any]] = []
    hooks = respell.HookRegistry()
    for point in ("PerformanceThresholdExceeded", "ResourceLimitExceeded"):
        hooks.register(point, lambda it: told.append((it.component, it.data)), name="note")
    stopped = script(LOOP, limits={"operations": 4}, hooks=hooks)
    assert stopped.ended.limit == "operations"
    assert {limit for limit, _ in told} == {"operations"}
    assert [data["percent"] for _, data in told[:-1]] == [50, 75, 90]
    assert told[-1][1]["what"] == "it performed 4 effects"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"policies": [deny]}, "policies must be of the class respell.Policies, or None; not ["),
        ({"hooks": 5}, "hooks must be of the class respell.HookRegistry, or None; not 5"),
    ],
)
def test_what_is_no_set_of_policies_or_hooks_is_refused_before_anything_runs(
    store: Store, script: Any, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError) as refused:
        script(LOOP, **given)
    assert str(refused.value).startswith(message)
    assert store.sessions.list() == []

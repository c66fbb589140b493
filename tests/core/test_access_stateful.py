"""Whatever is granted, revoked, deleted and reopened, in any order: a simple model says who may."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from performing_effects import Script
from respell.access import LEVELS
from respell.errors import PermissionDenied
from respell.store import Store
from respell.store.care.checking import check
from respell.times import SECOND

NOON = 1_800_000_000 * SECOND
SCRIPTS = 4

_who = st.integers(0, SCRIPTS - 1)
_level = st.sampled_from(list(LEVELS))
_minutes = st.none() | st.integers(1, 5)


class Granting(RuleBasedStateMachine):
    """Four programs, their artifacts and states; a dict of grants says who may do what."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.now = NOON
        self.store = self._open()
        self.scripts = [Script(self.store, Path(self.folder.name)) for _ in range(SCRIPTS)]
        # (owner, thing, grantee) -> level, until when; thing is an artifact's id or "state".
        self.grants: dict[tuple[int, str, int], tuple[int, int | None]] = {}
        self.artifacts: dict[str, int] = {}

    def _open(self) -> Store:
        return Store(Path(self.folder.name) / "store", durability="process", clock=lambda: self.now)

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    # The model ---------------------------------------------------------------------------

    def may(self, who: int, owner: int, thing: str, level: int) -> bool:
        if who == owner:
            return True
        held, until = self.grants.get((owner, thing, who), (0, None))
        return held >= level and (until is None or self.now < until)

    def things(self, owner: int) -> list[str]:
        return ["state", *(it for it, of in self.artifacts.items() if of == owner)]

    def tried(self, who: int, name: str, **args: Any) -> bool:
        """Return whether the store let a script do something."""
        try:
            self.scripts[who].call(name, **args)
        except PermissionDenied:
            return False
        return True

    def target(self, owner: int, thing: str) -> tuple[str, dict[str, Any]]:
        if thing == "state":
            return "state", {"scope": f"session:{self.scripts[owner].id}"}
        return "artifact", {"id": thing}

    # What happens ------------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        for owner, script in enumerate(self.scripts):
            script.call("state.set", key="k", value=owner)

    @rule(owner=_who)
    def store_one(self, owner: int) -> None:
        made = self.scripts[owner].call("artifact.store", name="a", content=f"{owner}")
        self.artifacts[made["id"]] = owner

    @rule(who=_who, owner=_who, to=_who, level=_level, minutes=_minutes, data=st.data())
    def grant(
        self, who: int, owner: int, to: int, level: str, minutes: int | None, data: st.DataObject
    ) -> None:
        thing = data.draw(st.sampled_from(self.things(owner)))
        until = None if minutes is None else self.now + minutes * 60 * SECOND
        own = self.grants.get((owner, thing, who), (0, None))[1]
        allowed = self.may(who, owner, thing, LEVELS["admin"]) and to not in (owner, who)
        if who != owner and own is not None and (until is None or until > own):
            allowed = False
        family, args = self.target(owner, thing)
        more = {} if until is None else {"expires_at": until / SECOND}
        done = self.tried(
            who, f"{family}.grant", **args, to=self.scripts[to].id, level=level, **more
        )
        assert done == allowed
        if done:
            self.grants[owner, thing, to] = (LEVELS[level], until)

    @rule(who=_who, owner=_who, grantee=_who, data=st.data())
    def revoke(self, who: int, owner: int, grantee: int, data: st.DataObject) -> None:
        thing = data.draw(st.sampled_from(self.things(owner)))
        family, args = self.target(owner, thing)
        allowed = self.may(who, owner, thing, LEVELS["admin"]) and grantee != owner
        assert self.tried(who, f"{family}.revoke", **args, to=self.scripts[grantee].id) == allowed
        if allowed:
            self.grants.pop((owner, thing, grantee), None)

    @precondition(lambda self: self.artifacts)
    @rule(who=_who, data=st.data())
    def delete(self, who: int, data: st.DataObject) -> None:
        thing = data.draw(st.sampled_from(list(self.artifacts)))  # oldest first, whatever the ids
        owner = self.artifacts[thing]
        allowed = self.may(who, owner, thing, LEVELS["admin"])
        assert self.tried(who, "artifact.delete", id=thing) == allowed
        if allowed:
            del self.artifacts[thing]
            self.grants = {key: it for key, it in self.grants.items() if key[1] != thing}

    @rule(who=_who, owner=_who, value=st.integers(0, 9))
    def write_state(self, who: int, owner: int, value: int) -> None:
        allowed = self.may(who, owner, "state", LEVELS["write"])
        scope = f"session:{self.scripts[owner].id}"
        assert self.tried(who, "state.set", scope=scope, key="k", value=value) == allowed

    @rule(minutes=st.integers(1, 3))
    def wait(self, minutes: int) -> None:
        self.now += minutes * 60 * SECOND

    @rule()
    def reopen(self) -> None:
        self.store.close()
        self.store = self._open()
        for script in self.scripts:
            script.store = self.store

    @rule()
    def collect(self) -> None:
        self.store.grants.forget_expired(self.now)

    # What holds at any time --------------------------------------------------------------

    @invariant()
    def everybody_reads_just_what_is_granted(self) -> None:
        for who in range(SCRIPTS):
            seen = {it["id"]["id"] for it in self.scripts[who].call("artifact.query")}
            assert seen == {
                thing for thing, owner in self.artifacts.items()
                if self.may(who, owner, thing, LEVELS["read"])
            }  # fmt: skip
            for owner in range(SCRIPTS):
                scope = f"session:{self.scripts[owner].id}"
                allowed = self.may(who, owner, "state", LEVELS["read"])
                assert self.tried(who, "state.get", scope=scope, key="k") == allowed

    @invariant()
    def the_store_is_sound(self) -> None:
        # These scripts are none: their content was never stored.
        found = [it for it in check(self.store).findings if it.kind != "session.script"]
        assert found == []


def test_who_may_is_always_as_told() -> None:
    run_state_machine_as_test(
        Granting, settings=settings(max_examples=10, stateful_step_count=25, deadline=None)
    )


@pytest.mark.slow
def test_who_may_is_always_as_told_for_long() -> None:
    run_state_machine_as_test(
        Granting, settings=settings(max_examples=150, stateful_step_count=50, deadline=None)
    )

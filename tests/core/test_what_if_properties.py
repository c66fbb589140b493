"""What holds for every script: an edit that changes nothing changes nothing."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given
from hypothesis import settings as settings_of
from hypothesis import strategies as st

import respell
from core.test_debugger_properties import scripts, seen, some, walk
from respell.debug import Debugger
from respell.store import Store


@given(scripts, st.randoms(use_true_random=False))
@settings_of(some, max_examples=4)
def test_a_variable_set_to_what_it_is_changes_nothing(
    script: Any, store: Store, text: str, chance: random.Random
) -> None:
    session = script(text).session
    head = store.history.hash_at(session.key, session.records)
    with Debugger.open(session.id, store=store) as debugger:
        everywhere = walk(debugger, Debugger.step_in)[:-1]
        debugger.go_to(chance.choice(everywhere)[0])
        before = walk(debugger, Debugger.step_in)
        debugger.go_to(before[0][0])
        names = [one.name for one in debugger.variables().locals]
        name = chance.choice(names or ["print"])
        debugger.set_variable(name, name)
        assert debugger.dry_run is not None
        assert debugger.dry_run.own == [], "nothing was made up"
        assert debugger.session.records == session.records
        assert walk(debugger, Debugger.step_in) == before
        debugger.go_to(before[0][0])
        forked = debugger.fork()
    assert script.resume(forked).session.status == session.status
    assert respell.replay(forked, store=store).identical
    now = store.sessions.get(session.id)
    assert (now.records, store.history.hash_at(now.key, now.records)) == (session.records, head)


@given(scripts, st.randoms(use_true_random=False))
@settings_of(some, max_examples=3)
def test_a_dry_run_is_the_same_however_it_is_gone_through(
    script: Any, store: Store, text: str, chance: random.Random
) -> None:
    session = script("local edited = 0\nprint(edited)\n" + text + "print(edited)\n").session
    with Debugger.open(session.id, store=store) as debugger:
        debugger.go_to(2)
        debugger.set_variable("edited", "'another'")
        assert not debugger.dry_run or debugger.dry_run.why == "finished"
        debugger.step_in()
        forward = walk(debugger, Debugger.step_in)
        debugger._trail.clear()
        assert list(reversed(walk(debugger, Debugger.step_back)))[-len(forward) :] == forward
        assert debugger.end().reason == "end"
        assert "another" in debugger.output()
        place = chance.choice(forward[:-1])
        debugger.go_to(place[0])
        assert seen(debugger) == place
        debugger.go_to(2)
        forked = debugger.fork()
    script.resume(forked)
    assert "another" in script.lines
    assert respell.replay(forked, store=store).identical

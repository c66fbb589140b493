"""How a history is handed to workers: in windows that are bounded by bytes."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import respell
from respell.debug import Debugger
from respell.debug.windows import Windows
from respell.engine.frames import After
from respell.engine.windows import WINDOW_BYTES, WINDOWS_AHEAD, Ahead, Batches, cut
from respell.errors import WorkerFailed
from respell.store import Store

MIB = 1 << 20

SMALL = 1000  # bytes of a window, where properties are tried
sizes = st.lists(
    st.lists(st.sampled_from((1, 60, SMALL - 1, SMALL, 3 * SMALL)), min_size=1, max_size=9),
    max_size=5,
)


@given(sizes)
def test_windows_are_bounded_by_bytes_and_nothing_is_lost(given_sizes: list[list[int]]) -> None:
    batches = [[bytes(size) for size in batch] for batch in given_sizes]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("respell.engine.windows.WINDOW_BYTES", SMALL)
        windows = list(cut(iter(batches)))
    assert list(chain.from_iterable(windows)) == list(chain.from_iterable(batches))
    for window in windows:
        assert window
        assert len(window) == 1 or sum(map(len, window)) <= 2 * SMALL


@given(st.lists(st.integers(1, 3 * WINDOW_BYTES), min_size=1, max_size=30))
def test_a_worker_has_little_that_it_has_not_begun_to_read(given_sizes: list[int]) -> None:
    ahead, sent, has, largest = Ahead(), 0, [], max(given_sizes)
    while has or sent < len(given_sizes):
        while ahead.has_room and sent < len(given_sizes):
            ahead.sent(given_sizes[sent])
            has.append(given_sizes[sent])
            sent += 1
        assert has, "it would wait for ever"
        assert len(has) <= WINDOWS_AHEAD
        assert sum(has) <= WINDOW_BYTES + largest
        ahead.begun()
        has.pop(0)
    with pytest.raises(WorkerFailed, match="what it has not got"):
        ahead.begun()


@given(
    st.lists(st.integers(1, 2 * SMALL), min_size=1, max_size=40),
    st.lists(st.integers(0, 40), max_size=4).map(sorted),
    st.data(),
)
def test_a_window_is_the_same_whoever_reads_it_and_whenever(
    records: list[int], grown: list[int], data: st.DataObject
) -> None:
    bodies = [bytes((i % 251,)) * size for i, size in enumerate(records)]

    def read(first: int, last: int) -> Batches:
        for at in range(first, last + 1, 7):
            yield bodies[at - 1 : min(at + 6, last)]

    stops = [stop for stop in grown if stop < len(bodies)] + [len(bodies)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("respell.debug.windows._KEPT_BYTES", 5 * SMALL)
        patch.setattr("respell.engine.windows.WINDOW_BYTES", SMALL)
        windows = Windows(read, stops[0], After.OPEN)
        found: list[bytes] = []
        for stop in stops:
            windows.extend(stop)
            while (window := windows.get(len(found))) is not None:
                found.append(window)
            assert b"".join(found) == b"".join(bodies[:stop])
            again = data.draw(st.lists(st.integers(0, len(found)), max_size=5))
            for index in again:
                expected = found[index] if index < len(found) else None
                assert windows.get(index) == expected


# A value of 12 MiB takes almost all of these 64 MiB while it is stored.
TIGHT = {
    "many values of 4 MiB": "for i = 1, 12 do State.set('s', ('x'):rep(4 << 20)) end",
    "values as large as can be": "for i = 1, 3 do State.set('s' .. i, ('x'):rep(12 << 20)) end",
    "one large value after many": "for i = 1, 3000 do State.set('s', i) end "
    "State.set('l', ('x'):rep(12 << 20))",
}


@pytest.mark.parametrize("text", TIGHT.values(), ids=TIGHT.keys())
def test_what_went_well_in_little_memory_goes_well_again(
    script: Any, store: Store, text: str
) -> None:
    """Windows ahead of need take no memory from the script."""
    text += "\nprint('stored')\nSession.suspend()\nprint('after')"
    first = script(text, limits={"memory_bytes": 64 * MIB})
    assert (first.session.status, script.lines) == ("suspended", ["stored"])
    assert respell.replay(first.session.id, store=store).identical
    assert script.resume(first.session.id).session.status == "completed"
    assert respell.replay(first.session.id, store=store).identical
    with Debugger.open(first.session.id, store=store) as debugger:
        end = debugger.end().position
        assert debugger.reverse_continue().line == 1
        assert debugger.continue_().position == end
        assert debugger.output() == script.lines


def test_a_long_history_goes_again_in_the_least_memory(script: Any, store: Store) -> None:
    text = "for i = 1, 2500 do State.set('s', ('x'):rep(800)) end Session.suspend() print('over')"
    first = script(text, limits={"memory_bytes": 2 * MIB})
    assert first.session.status == "suspended", first.session.error
    assert first.session.error is None
    assert respell.replay(first.session.id, store=store).identical
    assert script.resume(first.session.id).session.status == "completed"
    assert script.lines == ["over"]


def test_a_script_has_no_more_memory_than_before_once_it_goes_on(script: Any) -> None:
    text = """\
State.set('s', ('x'):rep(8 << 20))
Session.suspend()
State.get('other')
local kept = {}
for i = 1, 60 do kept[i] = ('x'):rep(1 << 20) .. i end
print('more than it may have')
"""
    first = script(text, limits={"memory_bytes": 48 * MIB})
    assert first.session.status == "suspended"
    assert first.session.error is None
    again = script.resume(first.session.id)
    assert "stopped by the limit memory_bytes" in (again.session.error or {})["message"]
    assert script.lines == []

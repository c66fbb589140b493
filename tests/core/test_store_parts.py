"""Statements that belong together inside of a transaction, and what a failure leaves of them."""

from __future__ import annotations

import apsw
import pytest

from respell.artifacts.storing import add
from respell.errors import StoreError
from respell.sessions.record import SessionRecord
from respell.store import Store


def _break(store: Store, *, after: bool) -> None:
    """Fail in a part, after it has changed something or before."""
    database = store._database
    with database.part:
        if after:
            database.write("INSERT INTO notes VALUES ('half', x'c0')")
        raise ValueError("broken")


def _notes(store: Store) -> list[str]:
    return [key for (key,) in store._database.rows("SELECT key FROM notes ORDER BY key")]


def test_a_part_alone_is_a_transaction(store: Store) -> None:
    before = _notes(store)
    with store._database.part as joined:
        assert not joined
        store._database.write("INSERT INTO notes VALUES ('whole', x'c0')")
    assert _notes(store) == sorted([*before, "whole"])
    with pytest.raises(ValueError, match="broken"):
        _break(store, after=True)
    assert _notes(store) == sorted([*before, "whole"])


def test_a_transaction_whose_part_failed_half_way_keeps_nothing(store: Store) -> None:
    before = _notes(store)
    with pytest.raises(StoreError, match="undone by an error before"):
        _go_on_after_a_broken_part(store)
    assert _notes(store) == before


def _go_on_after_a_broken_part(store: Store) -> None:
    with store.transaction():
        store._database.write("INSERT INTO notes VALUES ('first', x'c0')")
        with pytest.raises(ValueError, match="broken"):
            _break(store, after=True)
        with pytest.raises(StoreError, match="undone by an error before"):
            store._database.write("INSERT INTO notes VALUES ('next', x'c0')")


def test_a_part_that_failed_before_it_changed_anything_harms_nothing(store: Store) -> None:
    before = _notes(store)
    with store.transaction():
        store._database.write("INSERT INTO notes VALUES ('first', x'c0')")
        with pytest.raises(ValueError, match="broken"):
            _break(store, after=False)
    assert _notes(store) == sorted([*before, "first"])


def test_a_point_to_return_to_saves_the_rest_of_the_transaction(store: Store) -> None:
    before = _notes(store)
    with store.transaction():
        store._database.write("INSERT INTO notes VALUES ('first', x'c0')")
        with pytest.raises(ValueError, match="broken"), store.transaction():
            _break(store, after=True)
        store._database.write("INSERT INTO notes VALUES ('last', x'c0')")
    assert _notes(store) == sorted([*before, "first", "last"])


def test_the_next_transaction_knows_nothing_of_it(store: Store) -> None:
    with pytest.raises(ValueError, match="broken"), store.transaction():
        _break(store, after=True)
    with store.transaction():
        store._database.write("INSERT INTO notes VALUES ('next', x'c0')")
    assert "next" in _notes(store)


def test_other_values_do_not_make_a_statement_be_compiled_anew(store: Store) -> None:
    session = store.sessions.insert(SessionRecord())

    def work(number: int) -> None:
        add(store, session, f"{number}.txt", b"text %d" % number, tags=["a"])
        store.sessions.update(session.key, name=f"name {number}")

    compiled: list[object] = []

    def note(*action: object) -> int:
        compiled.append(action)
        return apsw.SQLITE_OK

    store._database._connection.authorizer = note  # asked while a statement is compiled
    work(1)
    assert compiled
    compiled.clear()
    work(2)
    assert not compiled

"""Whichever byte of a store is damaged: it is found and named, or it did not matter."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from care import append, fill, kinds, session_of
from respell.errors import RespellError
from respell.store import Store
from respell.store.care.checking import check

NOT_COMPARED = {
    "sessions": {"updated_at"},
    "blobs": {"touched"},
    "state": {"updated_at"},
}
"""Times that nothing depends on but an order on the screen, or when the collector comes."""

LOGS = ("audit", "leases", "inbox", "notes")
"""Tables of what passes: no history and no artifact is made of it."""


def contents(store: Store) -> dict[str, list[str]]:
    """Return all that a store holds, table by table."""
    database = store._database
    found = {}
    for (table,) in database.rows("SELECT name FROM sqlite_schema WHERE type = 'table'"):
        if table in LOGS or table.startswith("sqlite_"):
            continue
        columns = [
            name
            for (name,) in database.rows(f"SELECT name FROM pragma_table_info('{table}')")
            if name not in NOT_COMPARED.get(table, ())
        ]
        rows = database.rows(f"SELECT {', '.join(columns)} FROM {table}")
        found[table] = sorted(map(repr, rows))
    return found


class Patient:
    """A store that is damaged again and again.

    Args:
        folder: Where it is; nobody has it open.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with Store(folder) as store:
            self.whole = contents(store)
            assert check(store, read_data=True).findings == []
        self._database = (folder / "store.db").read_bytes()
        self.outcomes: Counter[str] = Counter()

    def flip_each(self, name: str, flips: Iterable[tuple[int, int]]) -> None:
        """Damage one byte of a file after the other, and look what becomes of it."""
        path = self.folder / name
        original = path.read_bytes()
        path.chmod(0o600)
        for at, mask in flips:
            for left in self.folder.glob("store.db*"):
                left.unlink()
            (self.folder / "store.db").write_bytes(self._database)
            damaged = bytearray(original)
            damaged[at] ^= mask
            path.write_bytes(damaged)
            self.outcomes[self._outcome(f"{name}: byte {at} changed by {mask}")] += 1
        assert self.outcomes.keys() <= {"refused", "harmless", "found"}
        path.write_bytes(original)

    def _outcome(self, where: str) -> str:
        try:
            store = Store(self.folder)
        except RespellError as error:
            return (
                "refused" if str(self.folder) in str(error) else f"refused without a word: {where}"
            )
        try:
            report = check(store, read_data=True)
            if not report.findings:
                assert contents(store) == self.whole, where
                return "harmless"
            # In damaged pages anything can be anything; otherwise only what is named is.
            if not any(it.kind.startswith(("database.", "row.")) for it in report.findings):
                named = " ".join(it.what for it in report.findings)
                for session in store.sessions.list():
                    if session.id not in named:
                        store.history.verify(session.key)
            return "found"
        finally:
            store.close()


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    """A store with some of everything."""
    with Store(tmp_path / "store") as store:
        fill(store)
        store._database.execute("VACUUM").fetchall()
    return Patient(tmp_path / "store")


def places(size: int, count: int) -> Iterator[tuple[int, int]]:
    rng = random.Random(size)
    for _ in range(count):
        mask = 1 << rng.randrange(8) if rng.random() < 0.6 else rng.randrange(1, 256)
        yield rng.randrange(size), mask


def test_a_flipped_byte_of_the_database_is_found_or_harmless(patient: Patient) -> None:
    patient.flip_each("store.db", places(len(patient._database), 250))
    assert patient.outcomes["found"] > 50
    assert patient.outcomes["harmless"] > 50  # unused space


@pytest.mark.slow
def test_bytes_all_over_the_database_are_found_or_harmless(patient: Patient) -> None:
    size = len(patient._database)
    rng = random.Random(0)
    patient.flip_each("store.db", ((at, rng.randrange(1, 256)) for at in range(0, size, 23)))
    assert patient.outcomes["found"] > 500


def test_a_flipped_byte_of_a_file_is_found(patient: Patient) -> None:
    path = next(it for it in (patient.folder / "objects").rglob("*") if it.is_file())
    size = path.stat().st_size
    name = str(path.relative_to(patient.folder))
    patient.flip_each(name, [(0, 1), (size - 1, 128), *places(size, 20)])
    assert patient.outcomes == {"found": 22}


def test_a_flipped_byte_of_the_heads_is_found(patient: Patient) -> None:
    size = (patient.folder / "heads").stat().st_size
    patient.flip_each("heads", [(0, 1), (size - 1, 128), *places(size, 20)])
    assert patient.outcomes == {"found": 22}


# The log ---------------------------------------------------------------------------------


RECORDS = 15


@pytest.fixture
def crashed(tmp_path: Path) -> Path:
    """A store as a killed host leaves it: nearly all of it is in the log."""
    with Store(tmp_path / "alive") as store:
        keys = [session_of(store, name).key for name in ("one", "two", "three")]
        for round_number in range(8):
            for key in keys:
                append(store, key, 1 + round_number % 3)
        (tmp_path / "crashed").mkdir()
        for name in ("store.db", "store.db-wal", "heads"):
            # Not by Python: closing the database's file would drop SQLite's locks.
            subprocess.run(["cp", store.path / name, tmp_path / "crashed"], check=True)
    return tmp_path / "crashed"


def opened_copy(crashed: Path, log: bytes | None) -> tuple[list[int], list[str]]:
    """Open a copy with this log; return how many records there are, and what check finds."""
    copy = crashed.with_name("copy")
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for name in ("store.db", "heads"):
        shutil.copy(crashed / name, copy)
    if log is not None:
        (copy / "store.db-wal").write_bytes(log)
    with Store(copy) as store:
        counts = [store.history.verify(it.key) for it in store.sessions.list()]
        report = check(store, read_data=True)
        lost = [it for it in report.findings if it.kind in ("history.behind", "session.vanished")]
        assert len(lost) == len(report.findings)
        assert {it.session for it in lost}.isdisjoint(
            it.id for it in store.sessions.list() if it.records == RECORDS
        )
        store._database.write("UPDATE leases SET pid = NULL")  # of a host that is dead
        for session in store.sessions.list():
            append(store, session.key, 1)  # whatever was lost, it goes on
        return counts, kinds(report)


def test_a_log_that_lost_its_end_opens_at_a_whole_state_and_says_who_is_behind(
    crashed: Path,
) -> None:
    log = (crashed / "store.db-wal").read_bytes()
    assert opened_copy(crashed, log) == ([RECORDS] * 3, [])
    sums = []
    for size in sorted({0, 31, 32, 33, *range(0, len(log), max(1, len(log) // 40))}):
        counts, found = opened_copy(crashed, log[:size])
        sums.append(sum(counts))
        assert found or counts == [RECORDS] * 3, size
    assert sums == sorted(sums)
    assert opened_copy(crashed, None)[1] == ["session.vanished"]


def test_a_flipped_byte_of_the_log_costs_what_comes_after_it_and_that_is_said(
    crashed: Path,
) -> None:
    log = (crashed / "store.db-wal").read_bytes()
    rng = random.Random(1)
    for _ in range(40):
        damaged = bytearray(log)
        damaged[rng.randrange(len(log))] ^= 1 << rng.randrange(8)
        counts, found = opened_copy(crashed, bytes(damaged))
        assert found or counts == [RECORDS] * 3

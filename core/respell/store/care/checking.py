"""The check of a store: is all there, and is it what was written?

with Store(path) as store:
    report = check(store, read_data=True)
    for finding in report.findings:
        print(finding.what, finding.advice)
"""

from __future__ import annotations

from respell.store.care.checks.blobs import check_blobs
from respell.store.care.checks.bus import check_bus
from respell.store.care.checks.contents import check_contents
from respell.store.care.checks.heads import check_heads
from respell.store.care.checks.histories import check_histories
from respell.store.care.checks.pages import check_definitions, check_pages
from respell.store.care.checks.rows import check_derived, check_references
from respell.store.care.findings import CheckReport
from respell.store.care.inspection import Inspection, OnProgress
from respell.store.store import Store


def check(
    store: Store,
    *,
    read_data: bool = False,
    repair: bool = False,
    on_progress: OnProgress | None = None,
) -> CheckReport:
    """Look for damage; other processes may go on using the store meanwhile.

    Without `read_data` the database's structure, every reference between rows and files, the
    counters and the heads outside of the database are looked at. With it, every byte is read:
    the hash chain of every history, every blob, and the checksum of every other row.

    `repair` does what is safe and says what it did: it makes indexes anew, sets counters to
    what there is, cuts a history back to its last good record, and moves what is damaged or
    belongs to nobody to the folder `damaged/`. It deletes nothing, and leaves sessions alone
    that a live host holds.

    Args:
        store: The store.
        read_data: Read every byte.
        repair: Put right what can be put right without losing anything more.
        on_progress: Called with how many records and blobs of how many were looked at.

    Raises:
        StoreError: The store can't be written to, and `repair` is wanted.
    """
    if repair and store.read_only:
        raise store._database.faults.not_writable()
    it = Inspection(
        store, read_data=read_data, repair=repair, on_progress=on_progress or _tell_nobody
    )
    check_pages(it)
    check_definitions(it)
    parts = [check_histories, check_blobs, check_references, check_derived, check_bus, check_heads]
    if read_data:
        parts.insert(0, check_contents)
    for part in parts:
        it.run(part)
    it.finish()
    return it.report


def _tell_nobody(done: int, total: int) -> None:
    """Keep it to oneself."""

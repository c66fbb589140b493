"""Large values of records: kept as blobs, so that a value is stored once and rows stay short."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

from respell.history.record import HASH_SIZE, Record
from respell.store.blobs import Blobs

LARGE = 64 * 1024
"""Bytes above which a record's arguments or outcome become a blob."""

_FIELDS = ("args", "outcome", "meta")


class Putting(Protocol):
    """What blobs can be put into: a store, or a file that is being written."""

    def put(self, data: bytes) -> bytes:
        """Keep bytes and return their address."""
        ...


def set_apart(record: Record, blobs: Putting) -> tuple[Record, bytes | None, list[bytes]]:
    """Put large values away as blobs.

    Returns:
        The record without them; what the column `large` holds (which fields were set apart,
        and their addresses); the addresses.
    """
    flags, addresses = 0, []
    empty: dict[str, Any] = {}
    for bit, field in enumerate(_FIELDS):
        value: bytes = getattr(record, field)
        if len(value) > LARGE:
            flags |= 1 << bit
            addresses.append(blobs.put(value))
            empty[field] = b""
    if not flags:
        return record, None, []
    return replace(record, **empty), bytes((flags,)) + b"".join(addresses), addresses


def addresses_of(large: bytes) -> list[bytes]:
    """Return the addresses in a column `large`."""
    return [large[at : at + HASH_SIZE] for at in range(1, len(large), HASH_SIZE)]


def put_back(record: Record, large: bytes, blobs: Blobs) -> Record:
    """Return the whole record again; raises what `Blobs.get` raises.

    Args:
        record: The record without its large values.
        large: The column of this name.
        blobs: Where they are.
    """
    fields: dict[str, Any] = {}
    at = 1
    for bit, field in enumerate(_FIELDS):
        if large[0] >> bit & 1:
            fields[field] = blobs.get(large[at : at + HASH_SIZE])
            at += HASH_SIZE
    return replace(record, **fields)

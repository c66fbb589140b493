"""Dataclasses of which many are made while a session runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as quick_dataclass
else:
    from dataclasses import dataclass

    def quick_dataclass(*, frozen, slots):
        """Make a dataclass that the type checker alone keeps from being changed.

        To make an object of one that is frozen at run time as well takes six times as long: each
        of its fields is set by a call. It is equal and hashed by its values all the same.
        """
        assert frozen
        return dataclass(slots=slots, unsafe_hash=True)


__all__ = ["quick_dataclass"]

"""What keeps Python itself from holding up the screen: its garbage collector, and its threads.

The collector looks through all objects that there are, again and again, and everything stands
still meanwhile: a third of a second where there are ten thousand sessions. So what is there to
stay is set aside. Whatever of it is not needed any more is freed all the same, by its count of
references; only cycles that were garbage at that moment stay.
"""

from __future__ import annotations

import gc
import sys

_SWITCH_S = 0.001
"""After so long, a thread that computes lets the screen's go on."""

_NEW_OBJECTS = 10_000
"""After so many new objects, the young ones are looked through: Textual makes many per key."""

_MANY = 2_000

_begun = False
_set_aside = 0


def begin() -> None:
    """Tune this process for a screen; for a program whose only purpose is that."""
    global _begun
    _begun = True
    sys.setswitchinterval(_SWITCH_S)
    gc.set_threshold(_NEW_OBJECTS, 10, 10)


def set_aside(count: int) -> None:
    """Have the collector leave out what there is now, if that is much more than the last time.

    Args:
        count: How many of something were read that are here to stay.
    """
    global _set_aside
    if _begun and count >= max(_MANY, 2 * _set_aside):
        _set_aside = count
        gc.freeze()


def set_aside_modules() -> None:
    """Have the collector leave out what was imported."""
    if _begun:
        gc.freeze()

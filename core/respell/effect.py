"""Which effects a host performs, and what has to be on disk around each.

How they are performed is in `respell.engine.effects`; this much is also asked by those who only
speak of effects: limits, middleware, tools, statistics.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from enum import Enum

from respell.errors import EffectFailed

_VERBS = {
    "agent": "chunks create request",
    "artifact": "acl audit delete derive get get_content grant list query revoke store verify "
                "versions",
    "config": "get",
    "env": "get",
    "event": "acl grant list_subscriptions publish revoke stats subscribe unsubscribe",
    "file": "open read remove rename temporary write",
    "input": "read",
    "module": "load",
    "process": "execute open",
    "session": "add_tag archive can_replay causes check check_fork complete create delete diff "
               "export fail fork get import list list_replayable load remove_tag replay "
               "replay_metadata resume save set_current set_tags stats suspend_other timeline "
               "update_metadata",
    "state": "acl delete get grant list revoke set",
    "tool": "check exists get invoke list",
}  # fmt: skip

PERFORMED = frozenset(
    f"{family}.{verb}" for family, verbs in _VERBS.items() for verb in verbs.split()
)
"""Names of all effects that a host performs, e.g. `file.open`."""


class Kind(Enum):
    """What has to be on disk before and after an effect is performed."""

    READ = "read"  # nothing changes: recorded in the next batch
    STORED = "stored"  # changes the store: one transaction with its outcome
    EXTERNAL = "external"  # the world outside can see it: intent before, outcome after


@dataclass(frozen=True, slots=True)
class Manner:
    """How one call of an effect is performed.

    Attributes:
        kind: What has to be committed when.
        idempotent: Performing it twice is the same as once, so it is never in doubt.
    """

    kind: Kind
    idempotent: bool = False


def check_performed(name: str) -> None:
    """Check that a host performs an effect of this name.

    Raises:
        EffectFailed: None does; names the nearest one.
    """
    if name not in PERFORMED:
        near = difflib.get_close_matches(name, PERFORMED, n=1)
        hint = f"; the nearest is {near[0]}" if near else ""
        raise EffectFailed(f"there is no effect {name!r}{hint}")

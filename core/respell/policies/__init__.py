"""Policies: what a session may use, how fast, for how long, and who else has a say.

from respell.policies import deny

@respell.policy
def office_hours(context):
    if context.effect == "agent.request" and not in_office():
        return deny("models are asked in office hours only")
"""

from __future__ import annotations

from respell.policies.deciding import (
    Policies,
    PolicyContext,
    Verdict,
    allow,
    deny,
    policy,
    registered,
    unregister,
    warn,
)

__all__ = [
    "Policies",
    "PolicyContext",
    "Verdict",
    "allow",
    "deny",
    "policy",
    "registered",
    "unregister",
    "warn",
]

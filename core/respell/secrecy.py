"""What has the name or the look of a secret: keys, tokens, passwords."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Any

NAMES = (
    "*PASSWORD*", "*PASSWD*", "*PASSPHRASE*", "*SECRET*", "*KEY*", "*TOKEN*", "*CREDENTIAL*",
    "*AUTH*", "*_PRIVATE_*", "*_DSN", "API_*", "AWS_*", "AZURE_*", "GCP_*", "SSH_*",
)  # fmt: skip
"""Patterns of the names of secrets, in upper case."""

MASK = "********"
"""What people are shown in place of a secret."""

_LOOKS = re.compile(
    r"\b(?:sk|pk|rk)[-_][A-Za-z0-9_-]{16,}"  # OpenAI, Anthropic, Stripe
    r"|\bgh[opsur]_[A-Za-z0-9]{20,}|\bgithub_pat_|\bglpat-|\bxox[abeprs]-|\bhf_[A-Za-z0-9]{20,}"
    r"|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[\w-]{30,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----"
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}"  # a JSON web token
    r"|\b(?:Bearer|Basic) [\w+/=.~-]{12,}"
    r"|://[^/\s:@]{1,256}:[^/\s@]{1,256}@"  # a URL with a password
)
_RANDOM = re.compile(r"[A-Za-z0-9+/_-]{32,}={0,2}")


def has_secret_name(name: str) -> bool:
    """Return whether something of this name is taken for a secret."""
    upper = name.upper()
    return any(fnmatchcase(upper, pattern) for pattern in NAMES)


def looks_secret(text: str) -> bool:
    """Return whether a text has the form of a key, a token or a password in a URL."""
    if _LOOKS.search(text):
        return True
    return any(_is_mixed(match[0]) for match in _RANDOM.finditer(text))


def _is_mixed(word: str) -> bool:
    """Whether a long word has upper and lower case and digits, as random ones have."""
    kinds = (str.isupper, str.islower, str.isdigit)
    return "/" not in word and all(any(kind(char) for char in word) for kind in kinds)


def without_secrets(value: Any, *, by_name: bool = False, mask: str | None = None) -> Any:
    """Return a plain value without what looks like a secret.

    Args:
        value: The value.
        by_name: Also without what has the name of one.
        mask: What stands in their place; None to leave them out of tables and lists.
    """
    if isinstance(value, str):
        return mask if looks_secret(value) else value
    if isinstance(value, dict):
        pairs = {
            name: mask if by_name and has_secret_name(name) else _again(item, by_name, mask)
            for name, item in value.items()
        }
        return {name: it for name, it in pairs.items() if it is not None or value[name] is None}
    if isinstance(value, list | tuple):
        items = [_again(item, by_name, mask) for item in value]
        return [it for it, was in zip(items, value, strict=True) if it is not None or was is None]
    return value


def _again(value: Any, by_name: bool, mask: str | None) -> Any:
    return without_secrets(value, by_name=by_name, mask=mask)

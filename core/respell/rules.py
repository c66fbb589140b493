"""The rules of `--allow` and `--deny`: how they are written and what they match."""

from __future__ import annotations

import os
import re
import socket
from dataclasses import dataclass
from fnmatch import fnmatchcase

from respell.errors import UsageError
from respell.globs import has_wildcard, path_matches

KINDS = ("read", "write", "network", "process", "env")


@dataclass(frozen=True, slots=True)
class Rule:
    """One `--allow` or `--deny`.

    Attributes:
        kind: One of `KINDS`.
        pattern: What of that kind, in its final form; None for all of it.
    """

    kind: str
    pattern: str | None = None

    def __str__(self) -> str:
        return self.kind if self.pattern is None else f"{self.kind}={self.pattern}"


def split_flag(where: str, flag: str) -> Rule:
    """Return the rule of a flag whose pattern is in its final form already.

    Raises:
        UsageError: Its kind or form is wrong; `where` says where it stands.
    """
    kind, equals, pattern = flag.partition("=")
    if kind not in KINDS:
        raise UsageError(
            f"{where} {flag}: there is no kind {kind!r}. Kinds are {', '.join(KINDS)}; "
            "write KIND or KIND=PATTERN, e.g. read=/etc"
        )
    if equals and not pattern:
        raise UsageError(f"{where} {flag}: a pattern has to follow the =, e.g. {kind}=…")
    return Rule(kind, pattern or None)


def parse_flag(where: str, flag: str, cwd: str) -> Rule:
    """Return the rule of a flag that a person wrote; relative paths start at `cwd`.

    Raises:
        UsageError: Its kind or pattern is wrong; `where` says where it stands.
    """
    rule = split_flag(where, flag)
    pattern = rule.pattern
    if pattern is None or rule.kind == "env":
        return rule
    if rule.kind in ("read", "write"):
        return Rule(rule.kind, _absolute_pattern(pattern, cwd))
    if rule.kind == "network":
        _, port = _split_host(pattern)
        if "/" in pattern or not (port is None or (port.isascii() and port.isdecimal())):
            raise UsageError(
                f"{where} {flag}: a network pattern is HOST or HOST:PORT, without a scheme "
                "or path, e.g. network=*.example.com:443"
            )
        return rule
    if "/" in pattern:
        return Rule(rule.kind, _absolute_pattern(pattern, cwd))
    return rule


def _absolute_pattern(pattern: str, cwd: str) -> str:
    """Return the pattern from the root on, symlinks before the first wildcard resolved."""
    path = os.path.join(cwd, os.path.expanduser(pattern))
    if not has_wildcard(path) or os.path.lexists(path):
        return os.path.realpath(path)
    parts = path.split("/")
    first = next(index for index, part in enumerate(parts) if has_wildcard(part))
    head = os.path.realpath("/".join(parts[:first]) or "/")
    absolute = os.path.join(head, *parts[first:])
    try:
        path_matches(absolute, "/")
    except re.error as error:
        raise UsageError(f"{pattern!r} is no path pattern: {error}") from None
    return absolute


def program_matches(pattern: str, program: str, found: str | None) -> bool:
    """Return whether a program pattern names this program.

    Args:
        pattern: A name, a path, or a glob of either.
        program: As the script wrote it.
        found: The path it stands for, None where there is no such program.
    """
    if "/" in pattern:
        return found is not None and path_matches(pattern, os.path.realpath(found))
    # A name is one to be found on PATH: ./git is not what `process=git` allows.
    return "/" not in program and fnmatchcase(program, pattern)


def _split_host(text: str) -> tuple[str, str | None]:
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, rest[1:] if rest.startswith(":") else None
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return host, port
    return text, None


def host_matches(pattern: str, host: str, port: int) -> bool:
    """Return whether a network pattern names this host (in canonical form) and port."""
    wanted, wanted_port = _split_host(pattern)
    if wanted_port is not None and int(wanted_port) != port:
        return False
    return fnmatchcase(host, canonical_host(wanted))


def canonical_host(host: str) -> str:
    """Return the one spelling of a host: 127.1, 0x7f000001 and ::ffff:127.0.0.1 are 127.0.0.1."""
    import ipaddress  # slow to import, and only needed where something connects

    name = host.lower().rstrip(".")
    try:
        return socket.inet_ntoa(socket.inet_aton(name))
    except (OSError, UnicodeEncodeError):
        pass
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)

"""Landlock: the kernel takes files, TCP and signals away from a process, for ever."""

from __future__ import annotations

import ctypes
import os
import struct

# The same numbers on every architecture.
_CREATE_RULESET, _RESTRICT_SELF = 444, 446
_ASK_VERSION = 1

_FIRST_FS_RIGHTS = (1 << 13) - 1  # version 1: execute, read, write, remove, make …
_FS_RIGHTS_SINCE = {2: 1 << 13, 3: 1 << 14, 5: 1 << 15}  # refer, truncate, ioctl on devices
_TCP_SINCE, _TCP_RIGHTS = 4, 0b11  # bind, connect
_SCOPE_SINCE, _SCOPES = 6, 0b11  # abstract unix sockets, signals


def version(libc: ctypes.CDLL) -> int:
    """Return the kernel's Landlock version; 0 where there is none or it is switched off."""
    answer: int = libc.syscall(
        ctypes.c_long(_CREATE_RULESET), None, ctypes.c_size_t(0), ctypes.c_uint(_ASK_VERSION)
    )
    return max(answer, 0)


def rights(abi: int) -> tuple[int, int, int]:
    """Return the bits this version can deny: for files, for the network, for scopes."""
    files = _FIRST_FS_RIGHTS
    for since, bit in _FS_RIGHTS_SINCE.items():
        if abi >= since:
            files |= bit
    return (
        files,
        _TCP_RIGHTS if abi >= _TCP_SINCE else 0,
        _SCOPES if abi >= _SCOPE_SINCE else 0,
    )


def denied(abi: int) -> list[str]:
    """Return what `restrict` takes away, in words."""
    _, network, scopes = rights(abi)
    return ["files", *(["TCP"] if network else []), *(["signals"] if scopes else [])]


def restrict(libc: ctypes.CDLL) -> bool:
    """Deny all that the kernel's version can deny. Needs no_new_privs.

    Returns:
        Whether it is in force.
    """
    abi = version(libc)
    if abi == 0:
        return False
    files, network, scopes = rights(abi)
    # struct landlock_ruleset_attr grew with the versions.
    fields = [files, *([network] if network else []), *([scopes] if scopes else [])]
    attributes = struct.pack(f"={len(fields)}Q", *fields)
    ruleset: int = libc.syscall(
        ctypes.c_long(_CREATE_RULESET),
        ctypes.c_char_p(attributes),
        ctypes.c_size_t(len(attributes)),
        ctypes.c_uint(0),
    )
    if ruleset < 0:
        return False
    # A ruleset without rules denies everything it handles.
    restricted: int = libc.syscall(
        ctypes.c_long(_RESTRICT_SELF), ctypes.c_int(ruleset), ctypes.c_uint(0)
    )
    os.close(ruleset)
    return restricted == 0

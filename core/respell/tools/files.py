"""Files that tools read at once: only regular ones, and only up to a size."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from respell.errors import UsageError
from respell.tools.model import ToolContext

MAX_READ_BYTES = 32 << 20
_CHUNK = 1 << 20


def regular(resolved: Path, path: str) -> os.stat_result:
    """Return what is known of a regular file.

    Args:
        resolved: The path to look at.
        path: As the script wrote it, for errors.

    Raises:
        OSError: It is missing, or a folder.
        UsageError: It is a pipe, a device or the like, which could block for ever.
    """
    info = resolved.stat()
    if stat.S_ISDIR(info.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not stat.S_ISREG(info.st_mode):
        raise UsageError(f"{path} is not a regular file")
    return info


def read_whole(path: str, ctx: ToolContext, *, most: int = MAX_READ_BYTES) -> bytes:
    """Return the content of a file.

    Args:
        path: As the script wrote it.
        ctx: What the call may use.
        most: Bytes that it may have.

    Raises:
        OSError: It can't be read.
        PermissionDenied: The script may not read it.
        UsageError: It is not a regular file, or larger.
    """
    resolved = ctx.permissions.check_read(path)
    regular(resolved, path)
    content = bytearray()
    # It may grow meanwhile, so what counts is what is read.
    with open(resolved, "rb") as file:
        while chunk := file.read(_CHUNK):
            ctx.check_cancelled()
            content += chunk
            if len(content) > most:
                raise UsageError(f"{path} is larger than the {most} bytes that can be read at once")
    return bytes(content)

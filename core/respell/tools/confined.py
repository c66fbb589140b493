"""What a process does that `respell.tools.confinement` started: compute, and nothing else."""

from __future__ import annotations

import contextlib
import importlib
import os
import select
import signal
import time

import msgpack

from respell import sandbox
from respell.errors import RespellError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from io import FileIO
    from types import ModuleType
    from typing import Any

MAX_VALUE_BYTES = 256 << 20

# First byte of an answer; what follows is a packed value or the text of an error.
OK, REFUSED, FAILED, OUT_OF_MEMORY = range(4)

IDLE_S = 60.0
_GROWN = 8  # a process ends once a call has left this part of its memory in use
_MAX_CALL_S = 600  # where the system does not tie a child to its parent
_SOCKET = 0

_layers: list[str] = []


def pack(value: Any) -> bytes:
    """Return a value as bytes; text may hold halves of surrogate pairs.

    Raises:
        UsageError: It is no plain data, or an integer beyond 64 bits.
    """
    try:
        packed: bytes = msgpack.packb(value, unicode_errors="surrogatepass")
    except (TypeError, ValueError, OverflowError) as error:
        if "recursion" in str(error):
            raise UsageError("this nests too deep to be passed to a computation") from None
        raise UsageError(f"this can't be passed to a computation: {error}") from None
    return packed


def unpack(data: bytes) -> Any:
    """Return the value of these bytes.

    Raises:
        ValueError: They are none.
    """
    try:
        return msgpack.unpackb(data, unicode_errors="surrogatepass", strict_map_key=False)
    except msgpack.UnpackException as error:
        raise ValueError(str(error)) from None


def layers(payload: None) -> list[str]:
    """Return the layers of confinement in force here."""
    return _layers


def main(module_name: str, memory_bytes: int) -> None:
    """Answer requests until there are none; ends the process.

    Args:
        module_name: Of the module whose functions are called.
        memory_bytes: What may be used besides what the libraries take.
    """
    module = importlib.import_module(module_name)
    warm_up = getattr(module, "warm_up", None)
    if warm_up is not None:
        warm_up()
    _keep_only_the_time_zone()
    with _Memory() as memory:
        limited = sandbox.limit_address_space(memory_bytes)
        _layers[:] = [*(["memory"] if limited else []), *sandbox.confine(memory_bytes=None)]
        most = memory.pages() + memory_bytes // _GROWN // os.sysconf("SC_PAGE_SIZE")
        _send(b"")
        while memory.pages() <= most:
            _send(_answer(module, _receive()))


def _keep_only_the_time_zone() -> None:
    for name in os.environ.keys() - {"TZ"}:
        del os.environ[name]
    os.environ.setdefault("TZ", ":/etc/localtime")
    time.tzset()  # reads the file while it still can


def _answer(module: ModuleType, request: bytes) -> bytes:
    # Does nothing where the sandbox is whole; elsewhere no child outlives its host for long.
    signal.alarm(_MAX_CALL_S)
    try:
        function, payload = unpack(request)
        answer = bytes((OK,)) + pack(getattr(module, function)(payload))
        if len(answer) <= MAX_VALUE_BYTES:
            return answer
        return bytes((REFUSED,)) + pack(f"the result is larger than {MAX_VALUE_BYTES >> 20} MiB")
    except UsageError as error:
        return bytes((REFUSED,)) + pack(str(error))
    except RespellError as error:
        return bytes((FAILED,)) + pack(str(error))
    except MemoryError:
        return bytes((OUT_OF_MEMORY,))
    except RecursionError:
        return bytes((FAILED,)) + pack("it nests too deep")
    except Exception as error:  # noqa: BLE001 - of a library that was given something hostile
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return bytes((FAILED,)) + pack(text[:10_000])


class _Memory:
    """Tells how much memory is mapped, also once no file can be opened any more."""

    def __enter__(self) -> _Memory:
        self._file: FileIO | None = None
        with contextlib.suppress(OSError):  # not Linux: there is no limit to keep away from
            self._file = open("/proc/self/statm", "rb", buffering=0)
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            self._file.close()

    def pages(self) -> int:
        """Return the number of pages; 0 where it is not known."""
        if self._file is None:
            return 0
        self._file.seek(0)
        return int(self._file.read(100).split()[0])


def _receive() -> bytes:
    if not select.select([_SOCKET], [], [], IDLE_S)[0]:
        os._exit(0)  # the next call starts another
    return _read(int.from_bytes(_read(4), "little"))


def _read(size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = os.read(_SOCKET, min(size - len(data), 1 << 20))
        if not part:
            os._exit(0)  # the host is gone
        data += part
    return bytes(data)


def _send(data: bytes) -> None:
    rest = memoryview(len(data).to_bytes(4, "little") + data)
    try:
        while rest:
            rest = rest[os.write(_SOCKET, rest) :]
    except OSError:
        os._exit(0)  # the host is gone: nobody is there to tell

"""The system call filter of a worker: an allow-list in BPF, assembled here.

What is not on the list fails with EPERM rather than killing the process, so that a call
that Python makes by habit (looking for a source line of a traceback) is only an error.
"""

from __future__ import annotations

import ctypes
import errno
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# Audit architecture and system call numbers, by `os.uname().machine`.
_ARCHES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# The frequent ones first: the kernel walks the list unless it could cache the answer.
_COMPUTE = {
    "x86_64": {
        "recvfrom": 45, "read": 0, "write": 1, "futex": 202, "munmap": 11, "brk": 12,
        "mremap": 25, "madvise": 28, "clock_gettime": 228, "poll": 7, "ppoll": 271,
        "readv": 19, "writev": 20, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15,
        "sigaltstack": 131, "restart_syscall": 219, "getrandom": 318, "getpid": 39,
        "getppid": 110, "gettid": 186, "sched_yield": 24, "nanosleep": 35, "clock_nanosleep": 230,
        "clock_getres": 229, "gettimeofday": 96, "time": 201, "times": 100, "getrusage": 98,
        "close": 3, "fstat": 5, "lseek": 8, "select": 23, "pselect6": 270, "shutdown": 48,
        "getsockname": 51, "getsockopt": 55, "exit": 60, "exit_group": 231,
    },
    "aarch64": {
        "recvfrom": 207, "read": 63, "write": 64, "futex": 98, "munmap": 215, "brk": 214,
        "mremap": 216, "madvise": 233, "clock_gettime": 113, "ppoll": 73,
        "readv": 65, "writev": 66, "rt_sigaction": 134, "rt_sigprocmask": 135,
        "rt_sigreturn": 139, "sigaltstack": 132, "restart_syscall": 128, "getrandom": 278,
        "getpid": 172, "getppid": 173, "gettid": 178, "sched_yield": 124, "nanosleep": 101,
        "clock_nanosleep": 115, "clock_getres": 114, "gettimeofday": 169, "times": 153,
        "getrusage": 165, "close": 57, "fstat": 80, "lseek": 62, "pselect6": 72, "shutdown": 210,
        "getsockname": 204, "getsockopt": 209, "exit": 93, "exit_group": 94,
    },
}  # fmt: skip

# Only with some arguments.
_BY_ARGUMENTS = {
    "x86_64": {"mmap": 9, "mprotect": 10, "sendto": 44, "ioctl": 16, "fcntl": 72, "clone3": 435},
    "aarch64": {"mmap": 222, "mprotect": 226, "sendto": 206, "ioctl": 29, "fcntl": 25,
                "clone3": 435},
}  # fmt: skip

# A worker that forks gets its children's sockets over its own (recvmsg), and waits for them.
_FORK = {
    "x86_64": {"wait4": 61, "waitid": 247, "recvmsg": 47, "set_robust_list": 273, "fork": 57},
    "aarch64": {"wait4": 260, "waitid": 95, "recvmsg": 212, "set_robust_list": 99},
}
_FORK_BY_ARGUMENTS = {
    "x86_64": {"clone": 56, "prctl": 157},
    "aarch64": {"clone": 220, "prctl": 167},
}

# linux/bpf_common.h
_LOAD, _JUMP_EQUAL, _JUMP_GREATER_OR_EQUAL, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
# struct seccomp_data: nr, arch, instruction_pointer, args[6]
_NR, _ARCH, _ARGS = 0, 4, 16

_PROT_EXEC = 4
_FIONBIO = 0x5421
_F_GETFD, _F_SETFD, _F_GETFL, _F_SETFL = 1, 2, 3, 4
_FORK_FLAGS = 0x01000000 | 0x00200000 | 0x00100000 | 17  # CHILD_SETTID, CLEARTID, …, SIGCHLD
_PR_SET_PDEATHSIG, _SIGKILL = 1, 9
_PR_GET_SECCOMP, _PR_SET_SECCOMP, _MODE_FILTER = 21, 22, 2

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, constant


def program(machine: str, *, allow_fork: bool) -> bytes | None:
    """Return the filter as an array of `struct sock_filter`.

    Args:
        machine: As `os.uname().machine` names it.
        allow_fork: Also allow fork, wait and receiving file descriptors.

    Returns:
        None for a machine whose system call numbers are not known here.
    """
    arch = _ARCHES.get(machine)
    if arch is None:
        return None
    code: list[Instruction] = [
        (_LOAD, 0, 0, _ARCH),
        (_JUMP_EQUAL, 1, 0, arch),
        _refuse(),
        (_LOAD, 0, 0, _NR),
    ]
    if machine == "x86_64":  # the x32 calls share the architecture, above this bit
        code += [(_JUMP_GREATER_OR_EQUAL, 0, 1, 0x40000000), _refuse()]
    for number in _COMPUTE[machine].values():
        code += _case(number, [_allow()])
    code += _checked(_BY_ARGUMENTS[machine])
    if allow_fork:
        for number in _FORK[machine].values():
            code += _case(number, [_allow()])
        code += _checked(_FORK_BY_ARGUMENTS[machine])
    code.append(_refuse())
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def install(libc: ctypes.CDLL, machine: str, *, allow_fork: bool) -> bool:
    """Confine this thread to the allow-list; for ever, and for its children.

    Returns:
        Whether the kernel took the filter.
    """
    code = program(machine, allow_fork=allow_fork)
    if code is None or sys.byteorder != "little":
        return False
    instructions = ctypes.create_string_buffer(code, len(code))
    # struct sock_fprog: number of instructions, pointer to them
    header = struct.pack("@HP", len(code) // 8, ctypes.addressof(instructions))
    result: int = libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_MODE_FILTER), ctypes.c_char_p(header))
    return result == 0


def available(libc: ctypes.CDLL, machine: str) -> bool:
    """Return whether this kernel has filters, and this machine is one we know."""
    return machine in _ARCHES and int(libc.prctl(_PR_GET_SECCOMP)) >= 0


def _allow() -> Instruction:
    return _RETURN, 0, 0, _ALLOW


def _refuse(error: int = errno.EPERM) -> Instruction:
    return _RETURN, 0, 0, _ERRNO | error


def _case(number: int, body: list[Instruction]) -> list[Instruction]:
    """If it is this system call, decide by `body`, which always returns."""
    return [(_JUMP_EQUAL, 0, len(body), number), *body]


def _checked(numbers: dict[str, int]) -> Iterable[Instruction]:
    checks = {
        "mmap": _without_bits(2, _PROT_EXEC),
        "mprotect": _without_bits(2, _PROT_EXEC),
        # A datagram socket could otherwise reach any address.
        "sendto": _null(4),
        "ioctl": _one_of(1, _FIONBIO),
        "fcntl": _one_of(1, _F_GETFD, _F_SETFD, _F_GETFL, _F_SETFL),
        # Its flags are in memory, out of a filter's sight; the C library falls back to clone.
        "clone3": [_refuse(errno.ENOSYS)],
        # Neither threads nor namespaces.
        "clone": _without_bits(0, ~_FORK_FLAGS & 0xFFFFFFFF),
        "prctl": _dies_with_parent(),
    }
    return [line for name, number in numbers.items() for line in _case(number, checks[name])]


def _low(argument: int) -> int:
    return _ARGS + 8 * argument


def _without_bits(argument: int, bits: int) -> list[Instruction]:
    return [(_LOAD, 0, 0, _low(argument)), (_JUMP_ANY_BIT, 0, 1, bits), _refuse(), _allow()]


def _one_of(argument: int, *allowed: int) -> list[Instruction]:
    code = [(_LOAD, 0, 0, _low(argument))]
    for value in allowed:
        code += [(_JUMP_EQUAL, 0, 1, value), _allow()]
    return [*code, _refuse()]


def _null(argument: int) -> list[Instruction]:
    return [
        (_LOAD, 0, 0, _low(argument)),
        (_JUMP_EQUAL, 0, 3, 0),
        (_LOAD, 0, 0, _low(argument) + 4),
        (_JUMP_EQUAL, 0, 1, 0),
        _allow(),
        _refuse(),
    ]


def _dies_with_parent() -> list[Instruction]:
    """PR_SET_PDEATHSIG to SIGKILL and no other: a forked child ties itself again."""
    return [
        (_LOAD, 0, 0, _low(0)),
        (_JUMP_EQUAL, 0, 3, _PR_SET_PDEATHSIG),
        (_LOAD, 0, 0, _low(1)),
        (_JUMP_EQUAL, 0, 1, _SIGKILL),
        _allow(),
        _refuse(),
    ]

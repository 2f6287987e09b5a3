"""Runs as a child process: raises its priority, puts its sleeps under a gate, becomes the sampler.

The gate is a seccomp filter that lets the parent see each sleep before it begins
(SECCOMP_RET_USER_NOTIF): between two readings the sampler sleeps, so a sleep means that a reading was
just made. Nothing else is filtered, and the filter ends with this process.

    sampler_launch.py SOCKET_FD GATED PROGRAM [ARGUMENT ...]
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import socket
import struct
import sys
import time

PRIORITY = 5
NICENESS = -10
HELLO = "dBB"
"""Monotonic seconds just before the sampler starts; priority: 0 normal, 1 nice, 2 real-time; gated."""

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER = 1, 8
USER_NOTIF, ALLOW = 0x7FC00000, 0x7FFF0000
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
NUMBER_OFFSET, ARCH_OFFSET = 0, 4
MACHINES = {
    # audit architecture, seccomp, nanosleep, clock_nanosleep
    "x86_64": (0xC000003E, 317, 35, 230),
    "aarch64": (0xC00000B7, 277, 101, 115),
}


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def raise_priority() -> int:
    """Best of real-time, nice and normal that is allowed here; returns which (see HELLO)."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    except OSError:
        try:
            os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
        except OSError:
            return 0
        return 1
    return 2


def gate() -> int:
    """Descriptor on which the sleeps of this process will be announced; -1 when the kernel refuses."""
    machine = MACHINES.get(platform.machine())
    if machine is None:
        return -1
    arch, seccomp, nanosleep, clock_nanosleep = machine
    steps = (
        (LOAD, 0, 0, ARCH_OFFSET),
        (JUMP_IF_EQUAL, 0, 4, arch),
        (LOAD, 0, 0, NUMBER_OFFSET),
        (JUMP_IF_EQUAL, 1, 0, nanosleep),
        (JUMP_IF_EQUAL, 0, 1, clock_nanosleep),
        (RETURN, 0, 0, USER_NOTIF),
        (RETURN, 0, 0, ALLOW),
    )
    code = b"".join(struct.pack("HBBI", *step) for step in steps)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(steps), ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return -1
    flags = SECCOMP_FILTER_FLAG_NEW_LISTENER
    return int(libc.syscall(seccomp, SECCOMP_SET_MODE_FILTER, flags, ctypes.byref(program)))


def main() -> None:
    parent = socket.socket(fileno=int(sys.argv[1]))
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    priority = raise_priority()
    listener = gate() if sys.argv[2] == "1" else -1
    hello = struct.pack(HELLO, time.monotonic(), priority, listener >= 0)
    if listener >= 0:
        socket.send_fds(parent, [hello], [listener])
    else:
        parent.send(hello)
    parent.close()
    os.execv(sys.argv[3], sys.argv[3:])  # noqa: S606 - no shell is what we want


if __name__ == "__main__":
    main()

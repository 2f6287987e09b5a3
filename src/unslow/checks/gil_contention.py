"""Request threads wait for Python's interpreter lock while another thread computes.

Signature   threads in a request blocked on the lock inside the interpreter, without throttling
Look-alike  cpu_throttled: the holder is stopped by the quota; gc_pauses: the holder collects garbage
Blind to    C extensions that hold the lock inside a system call; interpreters whose thread states cannot be read
Reference   CPython's switch interval is 5 ms: each hand-over to a busy process costs about that
"""

from __future__ import annotations

from unslow.evidence.cpu import Cpu
from unslow.evidence.profile import Profile
from unslow.finding import Clear, Finding, Skipped
from unslow.measure.account import Account
from unslow.measure.holders import busiest_outside_requests
from unslow.measure.significance import claim, is_excess, ms
from unslow.measure.without_stacks import quota_holds_lock


def check(profile: Profile, account: Account, cpu: Cpu | None = None) -> Finding | Clear | Skipped:
    if not profile.states_known:
        return Skipped(
            "what each thread waits for (/proc/PID/task/TID/syscall)",
            "run as root or as the workers' user with ptrace allowed (kernel.yama.ptrace_scope=0)",
        )
    lines = account.of_kind("gil")
    waiting = f"each request waits {ms(sum(line.now_s for line in lines))} for the interpreter lock"
    if quota_holds_lock(cpu):
        return Clear(f"{waiting}, but the lock's holder is throttled")
    if not is_excess(account, lines, normal=False):
        return Clear(waiting)
    holder = busiest_outside_requests(profile)
    place = holder or "request threads of the same worker"
    # A thread that computes without end takes a core from the requests, not only the lock.
    taken = (*lines, *account.of_kind("cpu contended")) if holder else lines
    return Finding(
        title="threads wait for Python's interpreter lock",
        because=f"{waiting}; busiest thread beside the requests: {place}",
        place=place,
        claims=claim(account, taken),
        # Without a culprit beside them the requests' own code holds the lock: whatever computes there comes first.
        confidence=0.85 if holder else 0.5,
        next_steps=(
            f"move the computing out of the worker process: {place}",
            "use more worker processes with fewer threads each",
        ),
        fixes=("more_processes_fewer_threads",),
        evidence=("profile", "cpu.gil"),
    )

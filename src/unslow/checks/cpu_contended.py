"""Other processes keep the cores busy, so runnable request threads wait.

Signature   request threads runnable without running, no quota, a machine without idle cores
Look-alike  cpu_throttled: a quota; hot_function: the application itself burns the cores (then it is counted there)
Blind to    which neighbour it is
Reference   USE method: run queue; schedstat's delay
"""

from __future__ import annotations

from unslow.evidence.cpu import Cpu
from unslow.finding import Clear, Finding
from unslow.measure.account import Account
from unslow.measure.significance import claim, is_excess, ms, total

BUSY = 0.9
"""Share of the machine's cores in use from which runnable threads queue."""


def check(cpu: Cpu, account: Account) -> Finding | Clear:
    lines = account.of_kind("cpu contended")
    measured = (
        f"the machine's {cpu.machine_cores} cores are {cpu.machine_busy_ratio:.0%} busy; "
        f"each request waits {ms(sum(line.now_s for line in lines))} for one"
    )
    if cpu.machine_busy_ratio < BUSY or not is_excess(account, lines, normal=True):
        return Clear(measured)
    return Finding(
        title="the machine has no free core",
        because=f"{measured}, {ms(total(lines))} more than before",
        place="this machine",
        claims=claim(account, lines),
        confidence=0.55,
        next_steps=(
            "find the other consumers: top, or ps -eo pcpu,comm --sort=-pcpu",
            "move one of them, or add cores",
        ),
        fixes=(),
        evidence=("cpu.machine",),
    )

"""Requests queue because all workers are busy with ordinary work.

Signature   connections waiting to be accepted or read, and busy request threads close to all of them
Look-alike  traffic_surge: more requests than usual; any slow cause that keeps workers busy (then the
            queue is its consequence and is counted there); slow_client_blocks_worker
Blind to    queues before the machine (load balancer)
Reference   USE method, saturation; utilization near 1 makes waiting grow without bound
"""

from __future__ import annotations

from math import ceil

from unslow.evidence.cpu import Cpu
from unslow.evidence.servers import Server
from unslow.evidence.sockets import Sockets
from unslow.finding import Clear, Finding
from unslow.measure.account import Account
from unslow.measure.significance import claim, is_excess, ms


def check(sockets: Sockets, account: Account, server: Server | None = None, cpu: Cpu | None = None) -> Finding | Clear:
    lines = account.of_kind("queue")
    waiting = sockets.accept_queue_mean + sockets.unread_mean
    measured = f"{waiting:.1f} requests wait for a worker on average, {ms(sum(line.now_s for line in lines))} each"
    if server and cpu and cpu.busy_mean is not None:
        measured += f"; {cpu.busy_mean:.1f} of {server.slots} request slots busy"
    if not is_excess(account, lines, normal=False):
        return Clear(measured)
    slots = f"{server.workers} {server.worker_class} workers x {server.threads}" if server else "the workers"
    return Finding(
        title="too few workers for the traffic",
        because=f"{measured}; the longest queue was {sockets.accept_queue_max}",
        place=slots,
        claims=claim(account, lines),
        confidence=0.6,
        next_steps=_next_steps(account, server, cpu),
        fixes=("more_workers",),
        evidence=("sockets.queue", "cpu.busy"),
    )


def _next_steps(account: Account, server: Server | None, cpu: Cpu | None) -> tuple[str, ...]:
    if cpu and cpu.machine_busy_ratio > 0.9:
        return ("the machine's cores are busy: more workers will not help; add machines or cut the CPU per request",)
    if server and account.rate_per_s and account.in_app.mean_s:
        needed = account.rate_per_s * account.in_app.mean_s / 0.7
        return (
            f"{account.rate_per_s:.1f} requests/s x {ms(account.in_app.mean_s)} need {ceil(needed)} slots at 70 % use; "
            f"there are {server.slots}: raise workers, or use --worker-class gthread with --threads",
            "check the database's connection budget first: it grows with the slots",
        )
    return ("raise the number of workers or threads, within the database's connection budget",)

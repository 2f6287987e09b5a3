from __future__ import annotations

from tests.checks.verbs import account, cpu, finds, is_clear, line, server, sockets

QUEUE = line("queue", "waiting for a free worker", 70.0)


def test_requests_queue() -> None:
    found = finds(
        "workers_saturated",
        70.0,
        account=account(QUEUE),
        sockets=sockets(queued=1.4),
        server=server(),
        cpu=cpu(busy_mean=1.9),
    )
    assert "1.9 of 2 request slots busy" in found.because
    assert "gthread" in found.next_steps[0]


def test_more_workers_do_not_help_on_a_full_machine() -> None:
    found = finds(
        "workers_saturated", 70.0, account=account(QUEUE), sockets=sockets(queued=1.4), cpu=cpu(machine_busy_ratio=0.97)
    )
    assert "more workers will not help" in found.next_steps[0]


def test_a_short_queue() -> None:
    is_clear("workers_saturated", account=account(line("queue", QUEUE.place, 9.0)), sockets=sockets(queued=0.1))


def test_slow_work_without_a_queue() -> None:
    is_clear("workers_saturated", account=account(line("db query", "SELECT 1", 90.0)), sockets=sockets())

from __future__ import annotations

from tests.checks.verbs import account, finds, is_clear, line, profile, server

QUEUE = line("queue", "waiting for a free worker", 70.0)
READING = (
    "handle /venv/lib/site-packages/gunicorn/workers/sync.py",
    "read /venv/lib/site-packages/gunicorn/http/unreader.py",
)
WORKING = (
    "handle_request /venv/lib/site-packages/gunicorn/workers/sync.py",
    "wsgi_app /venv/lib/site-packages/flask/app.py",
    "dispatch_request /venv/lib/site-packages/flask/app.py",
    "view /srv/app.py",
)


def test_workers_held_by_clients() -> None:
    held = profile((READING, "io", 8.0), (WORKING, "run", 2.0))
    finds("slow_client_blocks_worker", 70.0, account=account(QUEUE), profile=held, server=server())


def test_a_quarter_of_the_time() -> None:
    held = profile((READING, "io", 2.5), (WORKING, "run", 7.5))
    is_clear("slow_client_blocks_worker", account=account(QUEUE), profile=held, server=server())


def test_workers_held_by_their_own_work() -> None:
    held = profile((WORKING, "run", 10.0))
    is_clear("slow_client_blocks_worker", account=account(QUEUE), profile=held, server=server())

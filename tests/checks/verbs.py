"""What check tests say: an account made of lines, and the two verbs `finds` and `is_clear`."""

from __future__ import annotations

from unslow.checks import all_checks
from unslow.evidence.cpu import Cpu, Memory
from unslow.evidence.profile import Frame, Profile, Sample
from unslow.evidence.queries import Plan, Queries, Statement, Wait
from unslow.evidence.requests import Requests
from unslow.evidence.servers import Server
from unslow.evidence.sockets import Peer, Sockets
from unslow.finding import Clear, Finding, Outcome
from unslow.measure.account import Account, Line
from unslow.measure.quantities import Estimate


def line(
    kind: str, place: str, now_ms: float, before_ms: float = 0.0, *, detail: str = "", error_ms: float = 0.5
) -> Line:
    return Line(
        service="shop",
        place=place,
        kind=kind,
        before_s=before_ms / 1e3,
        now_s=now_ms / 1e3,
        se_s=error_ms / 1e3,
        detail=detail,
    )


def account(*lines: Line, now_ms: float = 100.0, before_ms: float | None = None, rate: float | None = 20.0) -> Account:
    """Without `before_ms` there is no reference."""
    return Account(
        before=None if before_ms is None else Estimate(before_ms / 1e3, 0.001, 100),
        now=Estimate(now_ms / 1e3, 0.002, 100),
        lines=lines,
        in_app=Estimate(now_ms / 1e3, 0.002, 100),
        in_app_source="test",
        rate_per_s=rate,
        split_before=before_ms is not None,
    )


def finds(name: str, ms: float | None = None, /, **sections: object) -> Finding:
    """The check `name` finds its cause; `ms` is what it claims."""
    outcome = _outcome(name, sections)
    assert isinstance(outcome, Finding), outcome
    assert any(character.isdigit() for character in outcome.because), "a finding carries its number"
    if ms is not None:
        assert abs(sum(claim.ms for claim in outcome.claims) - ms) < 1e-6, outcome.claims
    return outcome


def is_clear(name: str, /, **sections: object) -> Clear:
    outcome = _outcome(name, sections)
    assert isinstance(outcome, Clear), outcome
    assert outcome.because
    return outcome


def _outcome(name: str, sections: dict[str, object]) -> Outcome:
    return all_checks()[name](**sections)


def cpu(**changes: object) -> Cpu:
    normal: dict[str, object] = {
        "seconds": 12.0,
        "used_cores": 0.4,
        "request_run_s": 2.0,
        "request_delay_s": 0.2,
        "request_threads": 16,
        "machine_cores": 2,
        "machine_busy_ratio": 0.4,
    }
    return Cpu(**(normal | changes))  # type: ignore[arg-type]


def memory(**changes: object) -> Memory:
    return Memory(**({"rss_bytes": 100_000_000} | changes))  # type: ignore[arg-type]


def sockets(*peers: Peer, queued: float = 0.0, unread: float = 0.0, limit: int = 2048) -> Sockets:
    return Sockets(
        readings=300,
        accept_queue_mean=queued,
        accept_queue_max=int(queued * 2),
        accept_queue_limit=limit,
        unread_mean=unread,
        established_mean=4.0,
        requests_per_s=20.0,
        peers=peers,
    )


def peer(kind: str = "http", **changes: object) -> Peer:
    normal: dict[str, object] = {"address": "127.0.0.1:9000", "kind": kind, "name": "billing", "open_mean": 2.0}
    return Peer(**(normal | changes))  # type: ignore[arg-type]


def server(**changes: object) -> Server:
    normal: dict[str, object] = {
        "name": "gunicorn",
        "worker_class": "sync",
        "workers": 2,
        "threads": 1,
        "timeout_s": 30.0,
        "port": 8000,
        "pids": (11, 12),
        "master_pid": 10,
        "started_s": 1000.0,
        "cores": 2,
    }
    return Server(**(normal | changes))  # type: ignore[arg-type]


def statement(query_id: str, text: str, calls: float, exec_s: float, **changes: float) -> Statement:
    return Statement(query_id=query_id, text=text, calls=calls, exec_s=exec_s, rows=calls, **changes)


def queries(
    *statements: Statement,
    plans: tuple[Plan, ...] = (),
    waits: tuple[Wait, ...] = (),
    seconds: float = 10.0,
    **changes: object,
) -> Queries:
    return Queries(
        address="127.0.0.1:5432",
        version="16",
        seconds=seconds,
        statements=statements,
        plans=plans,
        waits=waits,
        wait_readings=100,
        **changes,  # type: ignore[arg-type]
    )


def requests(*total_ms: float, status: int = 200) -> Requests:
    n = len(total_ms)
    nothing = (0.0,) * n
    return Requests(
        due_s=tuple(float(i) for i in range(n)),
        wait_s=nothing,
        dns_s=nothing,
        connect_s=nothing,
        tls_s=nothing,
        first_byte_s=tuple(ms / 1e3 for ms in total_ms),
        body_s=nothing,
        status=(status,) * n,
    )


def profile(*stacks: tuple[tuple[str, ...], str, float], states_known: bool = True) -> Profile:
    """Stacks as (frames `function file`, outermost first), state, thread-seconds."""
    names = sorted({name for frames, _, _ in stacks for name in frames})
    frames = tuple(Frame(function=name.split()[0], file=name.split()[1], line=1) for name in names)
    samples = tuple(
        Sample(stack=tuple(names.index(name) for name in stack), state=state, seconds=seconds, route="view (app.py)")  # type: ignore[arg-type]
        for stack, state, seconds in stacks
    )
    return Profile(
        frames=frames,
        samples=samples,
        seconds=10.0,
        rate_hz=50.0,
        readings=500,
        states_known=states_known,
        route="view (app.py)",
    )

"""Stacks and thread states become samples with a route."""

from __future__ import annotations

import pytest

from unslow.collect import stack_samples
from unslow.collect.stack_samples import Observation, Tick, observations_of, sampled
from unslow.collect.timeline import Change, Frames, Timeline
from unslow.evidence.profile import Frame
from unslow.measure.views import role_by_name

SITE = "/srv/venv/lib/python3.12/site-packages/"


class Service:
    """Frames of a small service, and the stacks that its threads have."""

    def __init__(self) -> None:
        frames = Frames()
        worker = frames.number("ThreadWorker.handle_request", SITE + "gunicorn/workers/gthread.py", 1)
        flask = frames.number("Flask.wsgi_app", SITE + "flask/app.py", 1)
        dispatch = frames.number("Flask.dispatch_request", SITE + "flask/app.py", 2)
        self.idle = (frames.number("_worker", "/usr/lib/python3.12/concurrent/futures/thread.py", 1),)
        self.hook = (worker, flask, frames.number("before", "/srv/library/hooks.py", 1))
        self.books = (worker, flask, dispatch, frames.number("books", "/srv/library/views.py", 1))
        self.cart = (worker, flask, dispatch, frames.number("cart", "/srv/library/views.py", 9))
        self.frames: list[Frame] = frames.all()


def seen(stack: tuple[int, ...], at_s: float, state: str = "run", tid: int = 1) -> Observation:
    return Observation(pid=9, tid=tid, at_s=at_s, stack=stack, state=state, seconds=0.02)


def test_each_tick_stands_for_the_same_time() -> None:
    timeline = Timeline([Change(0.0, 1, (5,)), Change(0.1, 1, (6,)), Change(0.0, 2, (7,))], offset_s=100.0)
    ticks = [Tick(100.05, {1: "run", 3: "io"}), Tick(100.1, {1: "io"}), Tick(100.3, {1: "io", 2: "idle"})]
    found = observations_of(9, timeline, ticks, 3.0)
    assert [(each.tid, each.stack, each.state, each.seconds) for each in found] == [
        (1, (5,), "run", 1.0),
        (1, (6,), "io", 1.0),
        (1, (6,), "io", 1.0),
        (2, (7,), "idle", 1.0),
    ]


def test_collecting_garbage_replaces_running_and_waiting_for_the_interpreter_only() -> None:
    timeline = Timeline([Change(0.0, tid, (5,)) for tid in (1, 2, 3)], offset_s=0.0)
    ticks = [Tick(1.0, {1: "run", 2: "gil", 3: "io"}, collecting=True)]
    assert [each.state for each in observations_of(9, timeline, ticks, 1.0)] == ["gc", "gc", "io"]


def test_without_states_every_known_thread_is_unknown() -> None:
    timeline = Timeline([Change(0.0, 1, (5,)), Change(0.0, 2, (6,))], offset_s=0.0)
    assert {each.state for each in observations_of(9, timeline, [Tick(1.0, {})], 1.0)} == {"unknown"}


def test_hook_gets_the_route_of_the_view_that_follows() -> None:
    service = Service()
    rows = [service.idle, service.hook, service.books, service.idle, service.hook, service.cart, service.idle]
    states = ["idle", "sleep", "run", "idle", "sleep", "run", "idle"]
    observed = [seen(stack, i * 0.02, state) for i, (stack, state) in enumerate(zip(rows, states, strict=True))]
    found = sampled(observed, service.frames, [], role_by_name)
    assert {(sample.stack, sample.route) for sample in found.samples} == {
        (service.hook, "books (library/views.py)"),
        (service.books, "books (library/views.py)"),
        (service.hook, "cart (library/views.py)"),
        (service.cart, "cart (library/views.py)"),
    }
    assert found.request_threads == {(9, 1)}


def test_ours_counts_only_requests_that_coincide_with_ours() -> None:
    service = Service()
    rows = [service.idle, service.books, service.books, service.idle, service.books, service.idle]
    observed = [seen(stack, i * 0.02, "idle" if stack == service.idle else "run") for i, stack in enumerate(rows)]
    found = sampled(observed, service.frames, [(0.015, 0.05)], role_by_name)
    assert found.route == "books (library/views.py)"
    assert sum(sample.seconds for sample in found.samples) == pytest.approx(0.06)
    assert sum(sample.ours for sample in found.samples) == pytest.approx(0.04)


def test_idle_look_inside_a_request_is_a_lock() -> None:
    service = Service()
    found = sampled([seen(service.books, 0.0, "idle")], service.frames, [], role_by_name)
    assert [sample.state for sample in found.samples] == ["lock"]


def test_background_threads_keep_their_samples_without_a_route() -> None:
    frames = Frames()
    stack = (frames.number("refresh", "/srv/library/jobs.py", 3),)
    found = sampled([seen(stack, 0.0)], frames.all(), [], role_by_name)
    assert [(sample.state, sample.route) for sample in found.samples] == [("run", "")]
    assert found.request_threads == frozenset()


def test_number_of_samples_is_limited_and_their_time_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stack_samples, "MOST_SAMPLES", 10)
    frames = Frames()
    view = frames.number("books", "/srv/library/views.py", 1)
    stacks = [(view, frames.number("encode", SITE + "acme/encoder.py", line)) for line in range(40)]
    found = sampled([seen(stack, i * 0.02) for i, stack in enumerate(stacks)], frames.all(), [], role_by_name)
    assert len(found.samples) <= 10
    assert sum(sample.seconds for sample in found.samples) == pytest.approx(40 * 0.02)

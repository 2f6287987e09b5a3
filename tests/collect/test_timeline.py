"""Stacks over time, out of a Chrome trace and onto our clock."""

from __future__ import annotations

import json
import random

import pytest

from unslow.collect.timeline import Change, Frames, Timeline, align, changes_of, snap
from unslow.errors import BadInput


def event(phase: str, name: str, at_us: int, thread: int = 1, line: int = 1) -> dict[str, object]:
    return {
        "ph": phase,
        "name": name,
        "ts": at_us,
        "tid": thread,
        "pid": 9,
        "cat": "py-spy",
        "args": {"filename": f"/srv/{name}.py", "line": line},
    }


def trace(*events: dict[str, object]) -> bytes:
    return json.dumps(events).encode()


RECORDED = trace(
    event("B", "thread (41): Main", 1000),
    event("B", "run", 1000),
    event("B", "wait", 1000),
    event("B", "thread (42): Pool", 1010, thread=2),
    event("B", "work", 1010, thread=2),
    event("E", "wait", 21000),
    event("B", "serve", 21000),
    event("E", "serve", 41000),
    event("E", "run", 90000),
    event("E", "thread (41): Main", 90000),
    event("E", "work", 90000, thread=2),
    event("E", "thread (42): Pool", 90000, thread=2),
)


def test_changes_carry_whole_stacks_under_the_kernel_s_thread_id() -> None:
    frames = Frames()
    changes = changes_of(RECORDED, frames)
    names = [frame.function for frame in frames.all()]
    assert [(round(c.at_s * 1e6), c.tid, [names[number] for number in c.stack]) for c in changes] == [
        (1000, 41, ["run", "wait"]),
        (1010, 42, ["work"]),
        (21000, 41, ["run", "serve"]),
        (41000, 41, ["run"]),
    ]


def test_stack_lasts_until_the_next_change() -> None:
    frames = Frames()
    timeline = Timeline(changes_of(RECORDED, frames), offset_s=100.0)
    at = [timeline.at(41, 100.0 + offset_s) for offset_s in (0.0005, 0.001, 0.0209, 0.021, 5.0)]
    assert [len(stack) for stack in at] == [0, 2, 2, 2, 1]
    assert at[1] == at[2] != at[3]
    assert timeline.at(77, 200.0) == ()


def test_reused_pthread_id_starts_a_new_stack() -> None:
    changes = changes_of(
        trace(
            event("B", "thread (41): A", 1),
            event("B", "work", 1),
            event("E", "work", 5),
            event("E", "thread (41): A", 5),
            event("B", "thread (43): B", 5),
            event("B", "other", 5),
            event("E", "other", 9),
        ),
        Frames(),
    )
    assert [change.tid for change in changes] == [41, 43]


def test_clocks_are_aligned_by_coincidence() -> None:
    dice = random.Random(3)
    ticks, at = [], 500.0
    for _ in range(400):
        at += dice.expovariate(50)
        ticks.append(at)
    # The recorder's clock is 0.1234 s behind its start; two of three readings change some stack.
    changes = [Change(tick - 500.1234 - dice.uniform(0, 0.0003), 1, (1,)) for tick in ticks if dice.random() < 0.66]
    assert align(changes, ticks, 500.0) == pytest.approx(500.1234, abs=0.0006)


def test_alignment_without_changes_is_the_start() -> None:
    assert align([], [1.0, 2.0], 7.0) == 7.0


def test_changes_snap_to_their_tick_only_when_near() -> None:
    assert snap(1.0012, [0.9, 1.0, 1.2]) == 1.0
    assert snap(1.1, [1.0, 1.2]) == 1.1
    assert snap(1.1, []) == 1.1


def test_damaged_trace_is_bad_input() -> None:
    with pytest.raises(BadInput):
        changes_of(b'{"not": "a trace"}', Frames())

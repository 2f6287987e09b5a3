"""Requests are told apart, and ours are told from other people's."""

from __future__ import annotations

import random

from unslow.measure.instances import Instance, Reading, matching, split_requests, target_view

PERIOD_S = 0.02


def row(*readings: tuple[str, int] | None) -> list[Reading | None]:
    return [
        Reading(index * PERIOD_S, *reading) if reading is not None else None for index, reading in enumerate(readings)
    ]


def seen(readings: list[Reading | None]) -> list[tuple[int, int, str]]:
    return [(found.first, found.last, found.view) for found in split_requests(readings, PERIOD_S)]


def test_hook_before_and_after_belong_to_the_view_between() -> None:
    assert seen(row(None, ("", 0), ("", 0), ("books", 1), ("books", 1), ("", 2), None)) == [(1, 5, "books")]


def test_requests_without_a_gap_are_split_where_the_stage_falls_back() -> None:
    assert seen(row(("books", 1), ("", 2), ("", 0), ("books", 1))) == [(0, 1, "books"), (2, 3, "books")]


def test_requests_without_a_gap_are_split_where_the_view_changes() -> None:
    assert seen(row(("books", 1), ("cart", 1), None, ("cart", 1))) == [
        (0, 0, "books"),
        (1, 1, "cart"),
        (3, 3, "cart"),
    ]


def test_idle_thread_has_no_requests() -> None:
    assert seen(row(None, None)) == []


def instance(view: str, start_s: float, end_s: float) -> Instance:
    """As a sampler that looks every period sees a request."""
    return Instance(
        first=0, last=0, view=view, first_s=start_s + PERIOD_S / 2, last_s=end_s - PERIOD_S / 2,
        after_s=end_s + PERIOD_S / 2,
    )  # fmt: skip


def test_ours_must_end_when_the_caller_s_ends() -> None:
    found = [instance("books", 1.0, 1.1), instance("books", 1.0, 1.3)]
    assert matching(found, [(0.9, 1.1)]) == [True, False]
    assert matching(found, [(1.05, 1.3)]) == [False, False]


def traffic(view: str, per_s: float, lasts_s: float, dice: random.Random) -> list[tuple[str, float, float]]:
    at, found = 0.0, []
    while (at := at + dice.expovariate(per_s)) < 20.0:
        found.append((view, at, at + lasts_s * dice.uniform(0.8, 1.2)))
    return found


def test_target_is_found_among_busier_routes() -> None:
    dice = random.Random(7)
    target = traffic("books", 4, 0.08, dice)
    others = [
        *traffic("cart", 40, 0.1, dice),
        *traffic("books", 3, 0.08, dice),
        *traffic("search", 10, 0.05, dice),
    ]
    ours = [(start, end) for _, start, end in target]
    instances = [instance(*request) for request in (*target, *others)]
    assert target_view(instances, ours, (0.0, 20.0)) == "books"


def test_traffic_that_is_not_ours_coincides_with_nothing() -> None:
    dice = random.Random(11)
    others = [*traffic("cart", 8, 0.05, dice), *traffic("search", 8, 0.05, dice)]
    ours = [(start, start + 0.4) for _, start, _ in traffic("elsewhere", 1, 0.4, dice)]
    assert target_view([instance(*request) for request in others], ours[:3], (0.0, 20.0)) == ""


def test_the_only_view_is_the_target() -> None:
    assert target_view([instance("books", 1.0, 1.1)], [], (0.0, 20.0)) == "books"
    assert target_view([instance("books", 1.0, 1.1), instance("cart", 1.0, 1.1)], [], (0.0, 20.0)) == ""


def test_where_every_moment_holds_many_requests_the_view_in_all_of_ours_is_the_target() -> None:
    """Behind a long queue a busy service ends a request of the popular view every few milliseconds."""
    popular = [instance("books", at / 100, at / 100 + 0.1) for at in range(1000)]
    rare = [instance("cart", at + 0.41, at + 0.5) for at in range(0, 10, 3)]
    ours = [(at + 0.1, at + 0.5) for at in range(10)]
    span = (0.0, 10.0)
    assert target_view([*popular, *rare], ours, span, 0.01) == "books"


def test_two_popular_views_that_chance_explains_are_not_told_apart() -> None:
    popular = [instance(view, at / 100, at / 100 + 0.1) for at in range(1000) for view in ("books", "cart")]
    assert target_view(popular, [(at + 0.1, at + 0.5) for at in range(10)], (0.0, 10.0), 0.01) == ""

from __future__ import annotations

from unslow.evidence.span import Span
from unslow.measure.locate_spans import locate_spans

MS = 1_000_000


def trace(number: int, **slow: int) -> list[Span]:
    """`front` asks `left` and `right`, each of which asks `store`. Milliseconds to add, by place.

    A service's name: its own time; `caller__callee`: between the two.
    """
    spans: list[Span] = []
    start = number * 100_000 * MS

    def serve(service: str, parent: str | None, at: int, callees: tuple[str, ...]) -> int:
        span_id = f"{service}-{parent}"
        end = at + 2 * MS + slow.get(service, 0) * MS
        for callee in callees:
            gap = (1 + slow.get(f"{service}__{callee}", 0)) * MS
            call = f"{span_id}-{callee}"
            done = serve(callee, call, end + gap // 2, ("store",) if callee != "store" else ())
            spans.append(
                Span(str(number), call, span_id, service, f"GET {callee}", "client", end, done + gap // 2 - end)
            )
            end = done + gap // 2
        spans.append(Span(str(number), span_id, parent, service, "serve", "server", at, end - at))
        return end

    serve("front", None, start, ("left", "right"))
    return spans


NORMAL = [span for number in range(10) for span in trace(number)]


def first(**slow: int) -> str:
    incident = [span for number in range(20, 25) for span in trace(number, **slow)]
    return locate_spans(NORMAL, incident)[0].service


def test_slow_code_is_found_in_the_depth():
    assert first(store=50) == "store"
    assert first(left=50) == "left"
    assert first(front=50) == "front"


def test_a_slow_network_is_laid_on_the_end_whose_edges_are_all_slow():
    assert first(left__store=50, right__store=50) == "store"
    assert first(front__left=50, left__store=50) == "left"
    assert first(front__left=50, front__right=50) == "front"


def test_the_excess_is_in_seconds_and_split_by_kind():
    incident = [span for number in range(20, 25) for span in trace(number, right=40)]
    (worst, *others) = locate_spans(NORMAL, incident)
    assert (worst.service, round(worst.own_s, 6), worst.network_s) == ("right", 0.2, 0.0)
    assert all(one.excess_s == 0 for one in others)


def test_a_wrapper_reported_beside_what_it_wraps_does_not_work_while_it_waits():
    def beside(number: int, store_ms: int) -> list[Span]:
        at = number * 1000 * MS
        rows = [("r", None, "front", 0, 10 + store_ms), ("w", "r", "front", 1, 8 + store_ms),
                ("c", "r", "front", 2, 9 + store_ms), ("s", "c", "store", 3, 5 + store_ms)]  # fmt: skip
        return [
            Span(str(number), name, parent, service, name, "internal", at + low * MS, (high - low) * MS)
            for name, parent, service, low, high in rows
        ]

    assert locate_spans(beside(1, 0), beside(2, 90))[0].service == "store"


def test_a_reference_of_the_time_before_serves_operations_not_seen_in_normal_times():
    new = [span for number in range(10) for span in trace(number)]
    slow = [span for number in range(20, 25) for span in trace(number, store=50)]
    assert locate_spans([], slow) == ()
    assert locate_spans([], slow, before=new)[0].service == "store"
    # The time before is ill already: the fault-free reference prevails.
    assert locate_spans(NORMAL, slow, before=slow)[0].service == "store"


def test_a_clear_cause_is_stated_surely_and_an_unclear_one_is_not():
    clear = [span for number in range(20, 60) for span in trace(number, store=50)]
    sure = locate_spans(NORMAL, clear)
    assert sure[0].confidence >= 0.9
    # Two services that take turns: which of them is the cause is chance.
    turns = [span for number in range(20, 60) for span in trace(number, **{("left", "right")[number % 2]: 50})]
    unsure = locate_spans(NORMAL, turns)
    assert unsure[0].confidence < 0.8
    assert abs(sum(one.confidence for one in unsure) - 1) < 1e-9
    assert unsure == locate_spans(NORMAL, turns)

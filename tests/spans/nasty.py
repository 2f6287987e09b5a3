"""Traces made at random, with every damage that has fooled a tracer: the rows that the engines must agree on."""

from __future__ import annotations

import random
from collections.abc import Iterator

from unslow.evidence.span import Kind, Span, Status

SECOND_NS = 1_000_000_000
BEGIN_NS = 1_700_000_000 * SECOND_NS
_KINDS: tuple[Kind, ...] = ("server", "client", "internal", "producer", "consumer")
_SERVICES = ("front", "stock", "price", "mail", "façade")


def traces(seed: int, count: int, damage: float = 0.3) -> list[Span]:
    chance = random.Random(seed)
    spans: list[Span] = []
    for number in range(count):
        spans.extend(_trace(chance, f"trace-{seed}-{number}", damage))
    chance.shuffle(spans)
    return spans


def _trace(chance: random.Random, trace_id: str, damage: float) -> Iterator[Span]:
    # A coarse clock makes ties: siblings that touch, that start or end together, children as long as their parent.
    tick = chance.choice((1, 1_000, 1_000_000, 50_000_000))
    made: list[Span] = []
    for number in range(chance.randint(1, 25)):
        parent = chance.choice(made) if made else None
        made.append(_span(chance, trace_id, f"{number:04x}", parent, tick))
    yield from (_damaged(chance, one, made) if chance.random() < damage / 5 else one for one in made)
    if chance.random() < damage:
        twin = chance.choice(made)
        yield _with(twin, duration_ns=max(0, twin.duration_ns + chance.choice((-tick, 0, tick))))


def _span(chance: random.Random, trace_id: str, span_id: str, parent: Span | None, tick: int) -> Span:
    if parent is None:
        start, duration = BEGIN_NS + chance.randint(0, 1000) * 50_000_000, chance.randint(0, 40) * 50_000_000
    else:
        room = parent.duration_ns // tick
        start = parent.start_ns + chance.randint(0, max(0, room)) * tick
        duration = chance.randint(0, max(1, room // 2)) * tick
        if chance.random() < 0.15:
            start, duration = parent.start_ns, parent.duration_ns
        elif chance.random() < 0.1:
            start -= chance.randint(0, 5) * tick
        elif chance.random() < 0.1:
            duration += parent.duration_ns
    status: Status = chance.choice(("unset", "ok", "error"))
    return Span(
        trace_id,
        span_id,
        parent.span_id if parent else None,
        chance.choice(_SERVICES),
        f"op{chance.randint(0, 3)}",
        chance.choice(_KINDS),
        start,
        duration,
        status,
    )


def _damaged(chance: random.Random, span: Span, made: list[Span]) -> Span:
    return chance.choice(
        (
            _with(span, parent_span_id="missing"),
            _with(span, parent_span_id=chance.choice(made).span_id),
            _with(span, parent_span_id=span.span_id),
            _with(span, parent_span_id=None),
            _with(span, duration_ns=-1),
            _with(span, start_ns=span.start_ns - chance.randint(1, 100) * 10_000_000),
        )
    )


def _with(span: Span, **changes: object) -> Span:
    fields = {name: getattr(span, name) for name in span.__struct_fields__}
    return Span(**{**fields, **changes})

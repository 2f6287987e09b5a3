"""Traces of random systems with a fault in one service: its code, one operation, or all ways from and to it."""

from __future__ import annotations

import math
import random

from unslow.evidence.span import Span

KINDS = ("code", "network", "one operation", "some requests", "others vary")
MS = 1e6


class Shop:
    """Services in layers; each request walks some of the calls, one after another or side by side."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        self.names = [f"s{at:02d}" for at in range(rng.randint(4, 25))]
        self.calls: dict[str, list[str]] = {name: [] for name in self.names}
        for at in range(1, len(self.names)):
            for caller in {rng.randrange(max(0, at - 6), at) for _ in range(1 + (rng.random() < 0.4))}:
                self.calls[self.names[caller]].append(self.names[at])
        self.own = {name: math.exp(rng.gauss(math.log(4), 1)) for name in self.names}
        self.varies = {name: rng.choice((0.1, 0.3, 0.6, 1.0)) for name in self.names}
        self.way = {(a, b): math.exp(rng.gauss(0, 0.5)) for a in self.names for b in self.calls[a]}
        self.asked = {edge: rng.choice((0.2, 0.5, 1.0, 1.0)) for edge in self.way}
        self.beside = {name: rng.random() < 0.2 for name in self.names}

    def trace(self, number: int, rng: random.Random, kind: str, cause: str, size: float) -> list[Span]:
        spans: list[Span] = []
        hit = kind != "some requests" or rng.random() < 0.3

        def serve(name: str, parent: str | None, start: float, depth: int) -> float:
            operation = "a" if rng.random() < 0.5 else "b"
            span_id = f"{number}-{len(spans)}"
            spans.append(Span("", span_id, None, "", "", "server", 0, 0))
            at = len(spans) - 1
            spent = self.own[name] * math.exp(rng.gauss(0, self.varies[name]))
            if hit and name == cause and kind in {"code", "some requests", "others vary"}:
                spent += size * math.exp(rng.gauss(0, 0.3))
            if hit and name == cause and kind == "one operation" and operation == "a":
                spent += size * math.exp(rng.gauss(0, 0.3))
            now = latest = start + spent
            for callee in self.calls[name]:
                if depth < 8 and rng.random() < self.asked[name, callee]:
                    done = call(name, callee, span_id, now, depth)
                    latest = max(latest, done)
                    now = now if self.beside[name] else done
            spans[at] = Span(
                str(number), span_id, parent, name, operation, "server", int(start * MS), int((latest - start) * MS)
            )
            return latest

        def call(caller: str, callee: str, parent: str, start: float, depth: int) -> float:
            span_id = f"{number}-{len(spans)}"
            spans.append(Span("", span_id, None, "", "", "client", 0, 0))
            at = len(spans) - 1
            gap = self.way[caller, callee] * math.exp(rng.gauss(0, 0.4))
            if kind == "network" and cause in {caller, callee}:
                gap += size * math.exp(rng.gauss(0, 0.3))
            done = serve(callee, span_id, start + gap / 2, depth + 1) + gap / 2
            spans[at] = Span(
                str(number),
                span_id,
                parent,
                caller,
                f"GET {callee}",
                "client",
                int(start * MS),
                int((done - start) * MS),
            )
            return done

        serve(self.names[0], None, number * 1e5, 0)
        return spans


def traces(
    shop: Shop, count: int, rng: random.Random, kind: str = "", cause: str = "", size: float = 0.0
) -> list[Span]:
    """`size`: milliseconds added per call. Other services vary more, too, when the kind says so."""
    usual = shop.own
    if kind == "others vary":
        shop.own = {name: value * math.exp(rng.gauss(0, 0.25)) for name, value in usual.items()}
    found = [span for number in range(count) for span in shop.trace(number, rng, kind, cause, size)]
    shop.own = usual
    return found

"""The application's own metrics do not say what callers see.

Signature   counters that go backwards between scrapes (one page per worker process), nothing completed
            while callers wait, or a mean that hides a slow tail
Look-alike  a restart: all counters fall once, together
Blind to    wrong labels; metrics that are right and not looked at
Reference   Prometheus client documentation, multiprocess mode; rate() takes a fall for a restart
"""

from __future__ import annotations

from unslow.evidence.requests import Requests, Timers
from unslow.evidence.servers import Server
from unslow.finding import Clear, Finding
from unslow.measure.quantities import percentile

FALLS = 2
"""One fall may be a restart."""
TAIL_RATIO = 10.0
TAIL_S = 1.0
"""A p99 over a second, ten times the mean: the mean speaks for nobody."""


def check(timers: Timers, requests: Requests, server: Server | None = None) -> Finding | Clear:
    if timers.resets >= FALLS and (server is None or server.workers > 1):
        workers = server.workers if server else "several"
        return _finding(
            "each worker keeps counters of its own",
            f"{timers.metric} went backwards {timers.resets} times in {timers.scrapes} scrapes; {workers} workers answer in turn",
            timers,
            "run the Prometheus client in multiprocess mode (PROMETHEUS_MULTIPROC_DIR)",
        )
    answered = sum(timer.count for timer in timers.routes)
    unanswered = sum(status <= 0 for status in requests.status)
    if not answered and unanswered:
        return _finding(
            "nothing completes, so the latency metric is silent",
            f"{unanswered} of {len(requests.status)} requests had no answer, and {timers.metric} counted none",
            timers,
            "alert on requests in flight and on absent completions, not only on latency",
        )
    times = requests.total_s
    if times:
        mean, p99 = sum(times) / len(times), percentile(times, 0.99)
        if len(times) >= 100 and p99 >= TAIL_S and p99 >= TAIL_RATIO * mean:
            return _finding(
                "the mean hides a slow tail",
                f"mean {mean:.3f} s, p99 {p99:.3f} s of {len(times)} requests",
                timers,
                "alert on p99 from the histogram's buckets beside the mean",
            )
    return Clear(f"{timers.metric}: {answered:.0f} requests in {timers.scrapes} scrapes, {timers.resets} counter falls")


def _finding(title: str, because: str, timers: Timers, step: str) -> Finding:
    return Finding(
        title=title,
        because=because,
        place=timers.url,
        confidence=0.8,
        next_steps=(step,),
        fixes=("fix_metrics",),
        evidence=("timers",),
    )

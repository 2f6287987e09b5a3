from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.checks.verbs import profile, requests
from tests.evidences import evidence
from tests.measure.test_span_calls import request, table
from unslow.evidence import Evidence
from unslow.evidence.profile import Profile
from unslow.evidence.spans import Spans
from unslow.measure.account import account
from unslow.measure.downstream_spans import divided_by_spans
from unslow.measure.part import Part

MEASURED = (
    Part(
        kind="downstream",
        place="calls to 10.0.0.9",
        seconds=0.06,
        se_s=0.006,
        evidence=("profile",),
        detail="10.0.0.9:1",
    ),
    Part(
        kind="network",
        place="between here and 10.0.0.9",
        seconds=0.08,
        se_s=0.008,
        evidence=("profile",),
        detail="10.0.0.9:1",
    ),
    Part(kind="network", place="looking up names", seconds=0.01, se_s=0.001, evidence=("requests",)),
    Part(kind="cpu code", place="f", seconds=0.05, se_s=0.005, evidence=("profile",)),
)


def seen(spans: Spans | None, **more: Any) -> Evidence:
    return msgspec.structs.replace(evidence(**more), spans=spans)


def traces(count: int = 10) -> Spans:
    return table(*(request(number) for number in range(count)))


def test_the_sum_stays_and_the_deepest_service_has_its_own_time() -> None:
    parts = divided_by_spans(seen(traces()), MEASURED, 0.2)
    assert sum(part.seconds for part in parts) == pytest.approx(sum(part.seconds for part in MEASURED))
    assert set(MEASURED[2:]) <= set(parts)
    # Of 80 ms outside the shop: ledger 50, bank 18, on the ways 10 and 2; measured were 140 ms.
    assert {part.place: round(part.seconds * 80 / 140, 6) for part in parts if "spans" in part.evidence} == {
        "ledger: server": 0.05,
        "bank: server": 0.018,
        "between shop and bank": 0.01,
        "between bank and ledger": 0.002,
    }
    assert {part.service for part in parts if part.place == "ledger: server"} == {"ledger"}


@pytest.mark.parametrize("spans", [None, traces(2), table([request(1)[0]] * 1)])
def test_few_traces_or_none_change_nothing(spans: Spans | None) -> None:
    assert divided_by_spans(seen(spans), MEASURED, 0.2) == MEASURED


def test_without_stacks_the_traces_own_times_count_within_what_is_left() -> None:
    parts = divided_by_spans(seen(traces()), (), 0.2)
    assert sum(part.seconds for part in parts) == pytest.approx(0.08)
    assert sum(part.seconds for part in divided_by_spans(seen(traces()), (), 0.04)) == pytest.approx(0.04)


def test_stacks_without_any_call_are_believed() -> None:
    profile = Profile(frames=(), samples=(), rate_hz=100.0, seconds=1.0, readings=100)
    assert divided_by_spans(seen(traces(), profile=profile), MEASURED[2:], 0.2) == MEASURED[2:]


VIEW = (
    "handle_request /venv/lib/site-packages/gunicorn/workers/gthread.py",
    "wsgi_app /venv/lib/site-packages/flask/app.py",
    "view /srv/app.py",
)
CALLING = (*VIEW, "urlopen /venv/lib/site-packages/urllib3/connectionpool.py")


def looked(spans: Spans | None, ms: float) -> Evidence:
    stacks = profile((CALLING, "io", 4.0), (VIEW, "run", 1.0))
    return seen(spans, requests=requests(*[ms] * 50), profile=stacks)


def lines_of(evidence: Evidence) -> dict[str, tuple[float, float]]:
    result = account(evidence)
    assert result is not None
    assert sum(one.excess_s for one in result.lines) + result.unexplained_s == pytest.approx(result.excess_s, abs=1e-12)
    return {one.place: (one.before_s, one.now_s) for one in result.lines if one.kind in {"downstream", "network"}}


def test_what_grew_in_the_deepest_service_is_its_excess() -> None:
    before = looked(table(*(request(number, 10) for number in range(10))), 60.0)
    now = looked(table(*(request(number, 90) for number in range(10))), 140.0)
    lines = lines_of(msgspec.structs.replace(now, reference=before))
    grown = {place: now_s - before_s for place, (before_s, now_s) in lines.items()}
    assert max(grown, key=lambda place: grown[place]) == "ledger: server"
    assert sum(now_s for _, now_s in lines.values()) == pytest.approx(0.8 * 0.140)


def test_traces_of_one_window_only_divide_neither() -> None:
    now = looked(traces(), 140.0)
    lines = lines_of(msgspec.structs.replace(now, reference=looked(None, 60.0)))
    assert not any(":" in place for place in lines)
    result = account(msgspec.structs.replace(now, reference=looked(None, 60.0)))
    assert result is not None
    assert any("only one of the two windows has traces" in note for note in result.notes)


@pytest.mark.parametrize(("response_ms", "noted"), [(100.0, False), (200.0, True)])
def test_traces_that_saw_another_time_are_told(response_ms: float, noted: bool) -> None:
    result = account(looked(traces(), response_ms))  # the traces: 80 ms in calls; the stacks: 4/5 of the response time
    assert result is not None
    assert any("traced requests spend 80.0 ms" in note for note in result.notes) == noted

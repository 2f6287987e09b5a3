from __future__ import annotations

from tests.evidences import evidence
from unslow.diagnose import diagnose
from unslow.evidence.requests import GIVEN_UP, Requests
from unslow.measure.answers import answered, failures


def sent(*answers: tuple[int, float]) -> Requests:
    """(status, seconds) each."""
    n = len(answers)
    nothing = (0.0,) * n
    return Requests(
        due_s=tuple(0.1 * k for k in range(n)),
        wait_s=nothing,
        dns_s=nothing,
        connect_s=nothing,
        tls_s=nothing,
        first_byte_s=tuple(seconds for _, seconds in answers),
        body_s=nothing,
        status=tuple(status for status, _ in answers),
        timeout_s=10.0,
    )


def test_a_refused_request_has_no_response_time_and_one_given_up_has() -> None:
    kept = answered(sent((200, 0.02), (0, 0.001), (0, 10.0)))
    assert kept is not None
    assert kept.first_byte_s == (0.02, 10.0)
    assert answered(sent((GIVEN_UP, 3.0))) == sent((GIVEN_UP, 3.0))
    assert answered(sent((0, 0.001), (0, 0.2))) is None
    assert answered(None) is None


def test_failures_are_counted_by_how() -> None:
    found = failures(sent((503, 0.01), (503, 0.01), (0, 0.001), (200, 0.02), (302, 0.01), (0, 10.0)))
    assert found is not None
    assert (found.failed, found.of, found.are_most) == (3, 6, False)
    assert found.words == "3 of 6 requests failed (status 503, no answer: refused or cut off)"
    assert failures(sent((200, 0.1), (0, 9.9), (GIVEN_UP, 3.0))) is None


def test_nothing_that_was_answered_is_no_latency() -> None:
    found = diagnose(evidence(requests=sent(*[(0, 0.18)] * 20)))
    assert found.verdict == "unknown"
    assert "20 of 20 requests failed (no answer: refused or cut off), so no response time" in found.headline
    assert found.percentiles is None


def test_quick_errors_are_not_health() -> None:
    found = diagnose(evidence(requests=sent(*[(500, 0.002)] * 20)))
    assert found.verdict == "unknown"
    assert "20 of 20 requests failed (status 500)" in found.headline


def test_a_few_errors_are_a_note() -> None:
    found = diagnose(evidence(requests=sent(*[(200, 0.002)] * 19, (500, 0.002))))
    assert found.verdict == "healthy"
    assert found.account.notes[0] == "1 of 20 requests failed (status 500)"


def test_waits_that_were_given_up_are_lower_bounds() -> None:
    found = diagnose(evidence(requests=sent(*[(GIVEN_UP, 6.0)] * 20)))
    assert found.verdict == "unknown"
    assert found.account.now_ms == 6000.0
    assert found.account.notes[0].startswith("20 requests had no answer yet")

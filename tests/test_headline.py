from __future__ import annotations

import msgspec

from tests import samples
from tests.evidences import evidence
from tests.measure.test_answers import sent
from unslow.diagnose import diagnose
from unslow.evidence.window import Target


def test_what_how_much_why_and_what_to_do() -> None:
    said = diagnose(samples.slow()).headline
    assert said.startswith("http://127.0.0.1:8000/things takes 100 ms on average: no index serves a query on parcel (")
    assert said.endswith("Next: CREATE INDEX ON parcel (owner, sent).")


def test_by_how_much_against_a_baseline() -> None:
    assert (
        "100 ms on average, 91 ms more than its baseline"
        in diagnose(samples.slow(reference=samples.healthy())).headline
    )


def test_healthy() -> None:
    assert diagnose(samples.healthy()).headline.endswith("is healthy: 9 ms on average, and nothing stands out.")


def test_nothing_known() -> None:
    assert "nothing can be said" in diagnose(evidence()).headline


def test_a_path_that_nobody_asked_for_is_named() -> None:
    for chooser, words in (("probe", "on /things (its health probe's page: give --path"), ("timer", "on /things is")):
        target = Target(name="shop/web", kind="workload", path="/things", path_by=chooser)  # type: ignore[arg-type]
        assert words in diagnose(msgspec.structs.replace(samples.healthy(), target=target)).headline
    assert "on /things" not in diagnose(samples.healthy()).headline


def test_errors_after_a_wait_whose_cause_is_known() -> None:
    late = samples.slow(requests=sent(*[(504, 0.1)] * 20))
    said = diagnose(late).headline
    assert "(20 of 20 requests failed (status 504)) takes 100 ms on average: no index" in said

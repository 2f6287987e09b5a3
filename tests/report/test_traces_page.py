from __future__ import annotations

import pytest

from tests.report.test_reports import PAYLOADS
from tests.report.test_traces import traces
from unslow.report import traces_page


def test_the_page_has_the_map_the_requests_and_the_operations() -> None:
    page = traces_page.render(traces(), "traces.json", "a sample of 10 %")
    for text in (
        "Which service",
        "The typical request",
        "A slow request",
        "<b>ledger</b>",
        "a sample of 10 %",
        "6 requests",
    ):
        assert text in page


@pytest.mark.parametrize("payload", PAYLOADS)
def test_names_and_titles_from_outside_are_text(payload: str) -> None:
    page = traces_page.render(traces(payload), payload, payload)
    assert payload not in page or "<" not in payload
    assert page.count("<script") == 0
    assert "http://" not in page.replace(payload, "")

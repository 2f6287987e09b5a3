"""The page on traces and the command cannot drift apart."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from unslow.cli import main
from unslow.collect.span_columns import KNOWN
from unslow.measure import span_tree

PAGE = (Path(__file__).parents[2] / "docs" / "spans.md").read_text(encoding="utf-8")


def test_every_flag_of_the_page_exists(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["spans", "--help"])
    known = set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out))
    named = set(re.findall(r"--[a-z][a-z-]+", PAGE))
    assert {"--columns", "--sample", "--html", "--json"} <= named <= known


@pytest.mark.parametrize(
    "reason",
    [
        span_tree.NEGATIVE,
        span_tree.DUPLICATE,
        span_tree.CYCLE,
        span_tree.ORPHAN,
        span_tree.MISSING_ROOT,
        span_tree.CLOCK_SKEW,
        span_tree.OVERRUN,
    ],
)
def test_every_repair_is_explained_by_the_name_it_is_counted_under(reason: str) -> None:
    assert f"`{reason}`" in PAGE


def test_columns_of_the_page_can_be_mapped() -> None:
    named = set(re.findall(r"(?:--columns |,)(\w+)=", PAGE)) | set(re.findall(r"`(start_\w+)`", PAGE))
    assert {"trace_id", "start_ms", "start_at"} <= named <= set(KNOWN)

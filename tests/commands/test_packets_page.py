"""The page on captures and the command cannot drift apart."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from unslow.cli import main
from unslow.packets.verdict import Verdict, _means

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "packets.md").read_text(encoding="utf-8")
TOLD = set(re.findall(r"^\| `([^`]+)` \|", PAGE, re.MULTILINE))
SPREAD = {"n": 10, "mean_ms": 2.0, "median_ms": 2.0, "p95_ms": 2.0, "worst_ms": 2.0}


def told(**more: object) -> str:
    """What the command says of a capture with these figures."""
    counts = [
        "connections", "requests", "data_segments", "retransmitted", "opening_again", "closing_again", "zero_windows",
        "resets", "dns_unanswered", "dns_asked_again", "duplicates",
    ]  # fmt: skip
    spreads = dict.fromkeys(("handshake", "opening", "network", "server", "client", "dns"))
    empty = {"dns_failures": {}, "worst": (), "means": (), "limits": (), "packets": 100, "seconds": 1.0}
    return " ".join(_means(msgspec.convert({**dict.fromkeys(counts, 0), **spreads, **empty, **more}, Verdict)))


SLOWER = {**SPREAD, "mean_ms": 9.0}
CASES = {
    "most of the time is spent in the server": {"network": SPREAD, "server": SLOWER},
    "most of the time is spent in the network": {"network": SLOWER, "server": SPREAD},
    "no opening was seen that would part them": {"server": SPREAD},
    "No request with its answer was seen": {},
    "came again or late": {"data_segments": 100, "retransmitted": 2},
    "zero windows": {"zero_windows": 1},
    "resets": {"resets": 1},
    "questions without an answer": {"dns_unanswered": 1},
}


def test_every_verdict_of_the_page_is_tried_here() -> None:
    assert set(CASES) == TOLD


@pytest.mark.parametrize("words", CASES)
def test_the_command_says_it_in_these_words_then_and_only_then(words: str) -> None:
    assert words in told(**CASES[words])
    calm = {"network": SPREAD, "server": SLOWER} if "server" not in words else {"network": SLOWER, "server": SPREAD}
    assert words not in told(**calm)


def test_flags_of_the_page_exist(capsys: pytest.CaptureFixture[str]) -> None:
    known = set()
    for command in ("packets", "runbook"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        known |= set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out))
    named = set(re.findall(r"--[a-z][a-z-]+", PAGE))
    assert {"--json", "--port", "--allow"} <= named <= known


def test_the_figures_are_those_of_the_table() -> None:
    row = next(line for line in (ROOT / "docs" / "figures.md").read_text().splitlines() if "benchmarks/packets" in line)
    for figure in re.findall(r"\*\*([\d.]+)x\*\*", PAGE):
        assert figure in row
    assert "`sudo benchmarks/packets/compare`" in PAGE
    assert (ROOT / "benchmarks" / "packets" / "compare").exists()

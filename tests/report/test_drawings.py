from __future__ import annotations

import re

from tests import samples
from unslow.diagnose import diagnose
from unslow.diagnosis import FlameStack
from unslow.report import flame, latency_chart, waterfall
from unslow.report.words import interval, ms, plain, readable, signed


def test_the_waterfall_starts_at_before_and_ends_at_now() -> None:
    drawn = waterfall.svg(diagnose(samples.slow(reference=samples.healthy())))
    labels = re.findall(r'<text class="label"[^>]*>([^<]*)<', drawn)
    assert (labels[0], labels[-2], labels[-1]) == ("before", "unexplained", "now")
    assert 'class="cause"' in drawn


def test_without_a_reference_there_is_no_bar_for_before() -> None:
    assert ">before<" not in waterfall.svg(diagnose(samples.slow()))


def test_each_request_is_a_point() -> None:
    assert latency_chart.svg(diagnose(samples.slow())).count("<circle") == 100


def test_a_parent_is_as_wide_as_its_children_and_itself() -> None:
    stacks = (
        FlameStack(frames=("a", "b"), kind="db query", ms=30.0),
        FlameStack(frames=("a", "c"), kind="cpu code", ms=10.0),
        FlameStack(frames=("a",), kind="cpu code", ms=5.0),
    )
    root = flame.tree(stacks)
    assert root.ms == root.children["a"].ms == 45.0
    assert root.children["a"].kind == "db query"
    assert flame.kinds(stacks) == ["db query", "cpu code"]
    assert flame.html(stacks).count('class="frame') == 4
    assert flame.html(()) == ""


def test_numbers() -> None:
    assert [ms(value) for value in (0.44, 12.34, 123.4, 1240.0)] == ["0.4 ms", "12.3 ms", "123 ms", "1.24 s"]
    assert signed(-3.0) == "-3.0 ms"
    assert interval((1.0, 2.0)) == "1.0 ms to 2.0 ms"
    assert plain("a\x1b[31mb\nc") == "a\ufffd[31mb c"


def test_small_lines_are_read_as_one_and_the_sum_stays() -> None:
    lines = diagnose(samples.slow(reference=samples.healthy())).account.lines
    pooled = readable([*lines, *lines])
    assert abs(sum(line.excess_ms for line in pooled) - 2 * sum(line.excess_ms for line in lines)) < 1e-9

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unslow.collect.promql import duration, metric_name, quoted, selector
from unslow.errors import BadInput

LITERAL = re.compile(r'"((?:[^"\\\n]|\\["\\nrt]|\\U[0-9a-f]{8})*)"')
PLAIN = {'\\"': '"', "\\\\": "\\", "\\n": "\n", "\\r": "\r", "\\t": "\t"}


def unquoted(literal: str) -> str:
    """What PromQL's lexer makes of a literal; fails when it is not one literal from end to end."""
    (inner,) = LITERAL.fullmatch(literal).groups()
    return re.sub(
        r"\\(?:U([0-9a-f]{8})|.)",
        lambda found: chr(int(found[1], 16)) if found[1] else PLAIN[found[0]],
        inner,
    )


@settings(max_examples=2000)
@given(st.text())
def test_a_literal_holds_its_value_and_nothing_leaves_it(value):
    assert unquoted(quoted(value)) == value


@pytest.mark.parametrize(
    "value", ['"} or vector(1) #', "\\", '\\"', "a\nb", "\x00", "\u2028", "{}[5m]", "`", "'", "\x7f", "%{x}"]
)
def test_crafted_values_stay_values(value):
    assert unquoted(quoted(value)) == value


def test_a_lone_surrogate_is_replaced():
    assert unquoted(quoted("a\ud800")) == "a\ufffd"


def test_a_selector_lists_matchers_in_a_fixed_order():
    assert selector("a_b:c", {"z": "1", "a": '"'}, {"m": "x|y"}) == 'a_b:c{a="\\"",z="1",m!~"x|y"}'
    assert selector("up") == "up"


@settings(max_examples=500)
@given(st.text())
def test_names_are_names_or_refused(name):
    if re.fullmatch(r"[a-zA-Z_:][a-zA-Z0-9_:]*", name):
        assert metric_name(name) == name
    else:
        with pytest.raises(BadInput):
            metric_name(name)
    if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name):
        with pytest.raises(BadInput):
            selector("up", {name: ""})


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "1s"), (60, "60s"), (60.5, "61s"), (240.0, "240s")])
def test_ranges_are_whole_seconds(seconds, text):
    assert duration(seconds) == text

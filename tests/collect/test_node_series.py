from __future__ import annotations

import pytest

from unslow.collect.node_series import moment, nodes_of, read_calls, read_series
from unslow.errors import BadInput

WIDE = """microservice,a,a,b,b
metric,requests,latency,requests,latency
statistic,Sum,Average,Sum,Average
unix_timestamp,,,,
600,5,0.2,,nan
300,4,0.1,2,inf
"""
LONG = """time,node,metric,statistic,value
2026-01-01T00:05:00Z,a,requests,Sum,5
2026-01-01T00:00:00,a,requests,Sum,4
2026-01-01T00:05:00Z,a,errors,Sum,1
"""


def write(tmp_path, text):
    path = tmp_path / "series.csv"
    path.write_text(text)
    return path


def test_wide_rows_are_put_in_order_and_what_is_no_finite_number_is_missing(tmp_path):
    series = read_series(write(tmp_path, WIDE))
    assert series.times_s == (300.0, 600.0)
    nodes = nodes_of(series, "latency")
    assert (nodes["a"].requests, nodes["a"].cost) == ((4.0, 5.0), (0.1, 0.2))
    assert (nodes["b"].requests, nodes["b"].cost) == ((2.0, None), (None, None))


def test_long_rows_and_failures_from_counts(tmp_path):
    series = read_series(write(tmp_path, LONG))
    assert series.times_s[1] - series.times_s[0] == 300
    assert nodes_of(series, "availability")["a"].cost == (None, 0.2)


def test_availability_is_per_cent(tmp_path):
    text = "n,a,a\nm,requests,availability\ns,Sum,Average\n1,10,90\n"
    assert nodes_of(read_series(write(tmp_path, text)), "availability")["a"].cost == pytest.approx((0.1,))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "n,a\nm,requests\ns,Sum\n",
        "n,a\nm,requests,more\ns,Sum\n1,2\n",
        "n,a\nm,requests\ns,Sum\n1,2,3\n",
        "n,a\nm,requests\ns,Sum\nnever,2\n",
        "time,node,metric,statistic,value\nsoon,a,requests,Sum,5\n",
        "time,node,metric,statistic,value\n1,a\n",
        "time,node,metric,statistic,value\n",
    ],
)
def test_what_is_no_table_of_series_is_refused(tmp_path, text):
    with pytest.raises(BadInput):
        read_series(write(tmp_path, text))


def test_bytes_that_are_no_text_and_files_that_are_none_are_refused(tmp_path):
    path = tmp_path / "binary"
    path.write_bytes(b"\xff\xfe\x00\x01")
    for wrong in (path, tmp_path, tmp_path / "missing"):
        with pytest.raises(BadInput):
            read_series(wrong)


def test_a_square_table_and_a_list_of_calls_say_the_same(tmp_path):
    square = tmp_path / "square.csv"
    square.write_text("x,a,b\na,0,1\nb,0,0\n")
    edges = tmp_path / "edges.csv"
    edges.write_text("caller,callee\na,b\na,b\n")
    assert read_calls(square) == {"a": ["b"], "b": []}
    assert read_calls(edges) == {"a": ["b"]}
    square.write_text("x,a,b\na,0\n")
    with pytest.raises(BadInput):
        read_calls(square)


def test_times():
    assert moment("1970-01-01T01:00:00+01:00") == 0
    assert moment("12.5") == 12.5
    assert moment("soon") is None

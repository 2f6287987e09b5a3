from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unslow.collect.saved_series import read_series
from unslow.errors import BadInput
from unslow.evidence.series import Point


def read(folder, text):
    path = folder / "series"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_series(path)


def matrix(*series, status="success") -> str:
    result = [{"metric": {}, "values": values} for values in series]
    return json.dumps({"status": status, "data": {"resultType": "matrix", "result": result}})


def test_csv_in_any_order_with_gaps(tmp_path):
    text = "at,mean_s,p99_s,requests_per_s\n1700000060,0.05,0.2,10\n\n1700000000,NaN,,0\n1700000120,0.07\n"
    found = read(tmp_path, text)
    assert found.step_s == 60
    assert found.points == (
        Point(at_s=1700000000, mean_s=None, requests_per_s=0),
        Point(at_s=1700000060, mean_s=0.05, p99_s=0.2, requests_per_s=10),
        Point(at_s=1700000120, mean_s=0.07),
    )


def test_csv_with_dates_and_columns_in_another_order(tmp_path):
    rows = (
        "mean_s,at",
        "0.05,2023-11-14T22:13:20Z",
        "0.06,2023-11-14T23:14:20+01:00",
        "0.07,2023-11-14 22:15:20",
    )
    text = "\ufeff" + "\n".join(rows)
    assert [point.at_s for point in read(tmp_path, text).points] == [1700000000, 1700000060, 1700000120]


def test_the_json_of_a_range_query(tmp_path):
    found = read(tmp_path, matrix([[1700000000, "0.05"], [1700000060, "NaN"], [1700000120, "+Inf"]]))
    assert [point.mean_s for point in found.points] == [0.05, None, None]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "first line"),
        ("time,value\n1,2\n", "first line"),
        ("at,mean_s\n", "no points"),
        ("at,mean_s\n1700000000,fast\n", "line 2: 'fast'"),
        ("at,mean_s\nnoon,0.1\n", "line 2: 'noon' is no time"),
        ("at,mean_s\n1e99,0.1\n", "no time"),
        ("at,mean_s\nnan,0.1\n", "no time"),
        ("at,mean_s\n1700000000,-1\n", "no response time"),
        ("at,mean_s\n1700000000,1\n1700000000,2\n", "two rows of one time"),
        ('at,mean_s\n"' + "x" * 200_000, "line 2"),
        (b"\xff\xfe\x00", "no text"),
        ("{", "no JSON"),
        ('{"a":' * 100_000, "no JSON"),
        (matrix(), "empty"),
        (matrix([[1, "1"]], status="error"), "not answered"),
        (matrix([[1, "1"]], [[1, "2"]]), "2 series"),
        (matrix([[1, "x"]]), "no sample value"),
        (matrix([[-1, "1"]]), "no time"),
    ],
)
def test_useless_files_get_one_clear_line(tmp_path, text, says):
    with pytest.raises(BadInput) as caught:
        read(tmp_path, text)
    assert says in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.remedy


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(BadInput, match="is no file"):
        read_series(tmp_path / "none")


def test_caps(tmp_path, monkeypatch):
    monkeypatch.setattr("unslow.collect.saved_series.MAX_POINTS", 2)
    with pytest.raises(BadInput, match="more than 2 points"):
        read(tmp_path, "at,mean_s\n1,1\n2,1\n3,1\n")
    monkeypatch.setattr("unslow.collect.saved_series.MAX_BYTES", 10)
    with pytest.raises(BadInput, match="larger than"):
        read(tmp_path, "at,mean_s\n1,1\n")


@settings(max_examples=500, deadline=None)
@given(
    st.binary(max_size=80) | st.text(max_size=60).map(lambda text: ("at,mean_s\n" + text).encode("utf-8", "replace"))
)
def test_any_content(tmp_path_factory, body):
    try:
        found = read(tmp_path_factory.getbasetemp(), body)
    except BadInput:
        return
    assert all(0 <= point.at_s < 4_102_444_800 for point in found.points)

from __future__ import annotations

import msgspec
import pytest

from tests.measure.test_span_calls import request
from unslow.collect.span_sample import sample
from unslow.errors import CannotLook
from unslow.spans.session import DuckSession, closing
from unslow.spans.view import write_parquet

T0 = 1_700_000_000_000_000_000


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "spans.parquet"
    spans = [one for number in range(40) for one in request(number, 10 + number)]
    write_parquet([msgspec.structs.replace(one, start_ns=one.start_ns + T0) for one in spans], path)
    return path


def test_all_traces_of_a_small_file(file):
    summed, share = sample(file)
    assert (summed.traces, summed.spans, share) == (40, 200, 1)
    assert {call.callee for call in summed.calls} == {"bank", "ledger"}


def test_a_sample_has_whole_traces(file):
    summed, share = sample(file, limit=50)
    assert share == 0.25
    assert 0 < summed.traces < 40
    assert summed.spans == 5 * summed.traces


def test_requests_into_one_service_that_took_long(file):
    summed, _ = sample(file, "bank", 50_000_000)
    assert summed.service == "bank"
    assert summed.traces == 20
    assert all(example.duration_s >= 0.05 for example in summed.examples)


def test_a_damaged_file_is_said_so(tmp_path):
    bad = tmp_path / "bad.parquet"
    bad.write_bytes(b"PAR1 nothing")
    with pytest.raises(CannotLook):
        sample(bad)


def test_attributes_may_be_absent(file, tmp_path):
    bare = tmp_path / "bare.parquet"
    with closing(DuckSession()) as session:
        session.copy(f"SELECT * EXCLUDE (attributes) FROM read_parquet('{file}')", bare)
    assert sample(bare)[0].traces == 40

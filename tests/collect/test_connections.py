from __future__ import annotations

from unslow.collect.connections import Counter, Flow, Readings
from unslow.collect.netlink import ESTABLISHED, TIME_WAIT, Connection, Endpoint, TcpInfo
from unslow.evidence.window import Window

SERVER: Endpoint = (bytes([127, 0, 0, 1]), 80)
WINDOW = Window(start_s=1000.0, end_s=1010.0)


def caller(port: int) -> Endpoint:
    return bytes([127, 0, 0, 1]), port


def alive(port: int, segs_in: int, segs_out: int, retransmits: int = 0) -> tuple[Endpoint, Connection]:
    info = TcpInfo(0.0, 0.0, 0.001, retransmits, segs_in, segs_out, 0, 0)
    return caller(port), Connection(ESTABLISHED, SERVER, caller(port), 0, 0, 0, 1, 0.0, info)


def closed(port: int, age_s: float) -> tuple[Endpoint, Connection]:
    return caller(port), Connection(TIME_WAIT, SERVER, caller(port), 0, 0, 0, 0, 60.0 - age_s)


def requests(flow: Flow) -> int:
    return flow.requests.within(WINDOW) + flow.unseen.within(WINDOW)


def test_what_was_there_at_the_first_reading_is_not_counted() -> None:
    flow = Flow(caller=False)
    flow.living([alive(1, 50, 100)], 1000.0)
    flow.living([alive(1, 50, 100)], 1001.0)
    assert requests(flow) == 0


def test_segments_on_a_kept_connection_are_requests() -> None:
    flow = Flow(caller=False)
    flow.living([alive(1, 50, 100)], 1000.0)
    flow.living([alive(1, 53, 106)], 1001.0)
    flow.living([alive(1, 57, 114)], 1002.0)
    assert requests(flow) == 7
    assert flow.opened.within(WINDOW) == 0


def test_a_request_in_two_segments_without_an_answer_yet_is_one() -> None:
    flow = Flow(caller=False)
    flow.living([], 1000.0)
    flow.living([alive(1, 2, 0)], 1001.0)
    flow.living([alive(1, 2, 1)], 1002.0)
    assert requests(flow) == 1


def test_a_connection_between_readings_is_known_by_its_time_wait_row_once() -> None:
    flow = Flow(caller=False)
    flow.living([], 1000.0)
    flow.closed([closed(1, 0.5), closed(2, 1.0)], 1002.0)
    flow.closed([closed(1, 1.5), closed(2, 2.0), closed(3, 0.1)], 1003.0)
    assert flow.unseen.within(WINDOW) == 3


def test_a_connection_seen_alive_is_not_counted_again_when_it_closes() -> None:
    flow = Flow(caller=False)
    flow.living([], 1000.0)
    flow.living([alive(1, 1, 0)], 1001.0)
    flow.closed([closed(1, 0.9)], 1002.0)
    assert requests(flow) == 1
    assert flow.opened.within(WINDOW) == 1


def test_one_seen_before_its_request_came_counts_when_it_closes() -> None:
    flow = Flow(caller=False)
    flow.living([], 1000.0)
    flow.living([alive(1, 0, 0)], 1001.0)
    flow.closed([closed(1, 0.98)], 1002.0)
    assert requests(flow) == 1


def test_a_port_that_is_used_again_is_a_new_connection() -> None:
    flow = Flow(caller=False)
    flow.living([], 1000.0)
    flow.closed([closed(1, 0.5)], 1001.0)
    flow.closed([closed(1, 0.5)], 1004.0)
    assert flow.unseen.within(WINDOW) == 2


def test_what_closed_before_the_first_reading_is_not_counted() -> None:
    flow = Flow(caller=False)
    flow.living([], 1005.0)
    flow.closed([closed(1, 3.0)], 1006.0)
    assert requests(flow) == 0


def test_the_calling_side_counts_what_goes_out() -> None:
    flow = Flow(caller=True)
    flow.living([alive(1, 4, 4)], 1000.0)
    flow.living([alive(1, 8, 6)], 1001.0)
    assert requests(flow) == 2


def test_retransmits_are_growth() -> None:
    flow = Flow(caller=False)
    flow.living([alive(1, 1, 1, retransmits=5)], 1000.0)
    flow.living([alive(1, 1, 1, retransmits=7)], 1001.0)
    assert flow.retransmits.within(WINDOW) == 2


def test_a_window_is_half_open() -> None:
    counter = Counter()
    for at_s in (999.9, 1000.0, 1009.9, 1010.0):
        counter.add(at_s, 1)
    readings = Readings()
    for at_s, value in ((999.9, 100.0), (1000.0, 1.0), (1009.9, 3.0), (1010.0, 100.0)):
        readings.add(at_s, value)
    assert counter.within(WINDOW) == 2
    assert readings.mean(WINDOW) == 2.0
    assert Readings().mean(WINDOW) is None


def test_retransmits_before_a_new_connection_was_first_seen_count() -> None:
    flow = Flow(caller=True)
    flow.living([], 1000.0)
    flow.living([alive(1, 0, 0, retransmits=1)], 1000.5)
    assert flow.retransmits.within(WINDOW) == 1

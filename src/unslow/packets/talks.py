"""TCP connections of a capture: the way there, the server's and the client's thinking, what was sent again.

All of it on whole columns; a connection is a number. Times in milliseconds in what is returned.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from unslow.packets.columns import ACK, FIN, RST, SYN, Ints, Segments

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
SAME_NUMBER_NS = 5_000_000
"""Two copies of one packet, seen on two interfaces: same number of the IP packet, which a retransmit never has."""
NO_NUMBER_NS = 200_000
"""Without such a number: sooner than any retransmission timer."""
COPIES_RATIO = 0.02
_MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclass(slots=True, frozen=True)
class Talks:
    """Per connection (`ip`: where one of its packets' IP headers is, for its name), and per request."""

    ip: Ints
    turned: Mask
    """That packet went from the server to the client."""
    packets: Ints
    rtt_ms: Floats
    """SYN to SYN-ACK to ACK; not a number where the opening was not seen."""
    far_ms: Floats
    """Of this, from where the capture was made to the server and back."""
    opening_ms: Floats
    """From the first SYN: with those that were lost."""
    sent_again: Ints
    opening_again: Ints
    closing_again: Ints
    zero_windows: Ints
    resets: Ints
    one_sided: Mask
    missing: Mask
    """Bytes were acknowledged that are not in the capture."""
    guessed: Mask
    """Which side is the client was told by the port numbers alone."""
    request_of: Ints
    """Per request: its connection."""
    server_ms: Floats
    network_ms: Floats
    client_of: Ints
    client_ms: Floats
    data_segments: int
    duplicates: int


def talks(segments: Segments, port: int | None = None) -> Talks:
    kept = ~_copies(segments)
    duplicates = int((~kept).sum())
    if port is not None:
        ports = np.uint64(0xFFFF)
        kept &= ((segments.source & ports) == port) | ((segments.sink & ports) == port)
    flow = _flows(segments.source[kept], segments.sink[kept])
    order = np.flatnonzero(kept)[np.argsort(flow, kind="stable")]
    flow = np.sort(flow, kind="stable")
    one = Segments(**{field.name: getattr(segments, field.name)[order] for field in fields(Segments)})
    talk, opens_again = _numbered(flow, one)
    return _told(one, talk, opens_again, duplicates, port)


def _mixed(*words: Any) -> npt.NDArray[np.uint64]:
    total = np.zeros(len(words[0]), np.uint64)
    for word in words:
        total = (total ^ word.astype(np.uint64)) * _MIX
        total ^= total >> np.uint64(31)
    return total


def _copies(one: Segments) -> Mask:
    sign = _mixed(one.source, one.sink, (one.sequence << 32) | one.acknowledged, (one.flags << 32) | one.length)
    sign = _mixed(sign, (one.identity << 16) | one.window)
    order = np.argsort(sign, kind="stable")
    later, earlier = order[1:], order[:-1]
    limit = np.where(one.identity[later] > 0, SAME_NUMBER_NS, NO_NUMBER_NS)
    telling = (one.identity > 0) | (one.length > 0) | ((one.flags & (SYN | FIN | RST)) > 0)
    same = (sign[later] == sign[earlier]) & telling[later]
    same &= np.abs(one.at_ns[later] - one.at_ns[earlier]) < limit
    # A lost SYN brings two equal answers at once. Without numbers, copies are believed where they are the rule.
    numbered = one.identity[later] > 0
    proof = numbered if numbered.any() else ~numbered
    if (same & proof).sum() < COPIES_RATIO * max(1, proof.sum()):
        same &= numbered
    copies = np.zeros(len(sign), np.bool_)
    copies[later[same]] = True
    return copies


def _flows(source: npt.NDArray[np.uint64], sink: npt.NDArray[np.uint64]) -> Ints:
    _, flow = np.unique(_mixed(np.minimum(source, sink), np.maximum(source, sink)), return_inverse=True)
    return flow.astype(np.int64)


def _numbered(flow: Ints, one: Segments) -> tuple[Ints, Mask]:
    """A SYN with another sequence number opens another connection on the same ports; the same SYN is one sent again."""
    begins = np.zeros(len(flow), np.bool_)
    again = begins.copy()
    begins[:1] = True
    begins[1:] = flow[1:] != flow[:-1]
    syn = np.flatnonzero((one.flags & (SYN | ACK)) == SYN)
    repeats = np.zeros(len(syn), np.bool_)
    before, after = syn[:-1], syn[1:]
    repeats[1:] = (
        (flow[after] == flow[before])
        & (one.sequence[after] == one.sequence[before])
        & (one.source[after] == one.source[before])
    )
    begins[syn[~repeats]] = True
    again[syn[repeats]] = True
    return np.cumsum(begins) - 1, again


def _told(one: Segments, talk: Ints, opens_again: Mask, duplicates: int, port: int | None) -> Talks:
    count = int(talk[-1]) + 1 if len(talk) else 0
    first = np.searchsorted(talk, np.arange(count))
    client, guessed = _clients(one, talk, count, port)
    forth = one.source == client[talk]
    group = talk * 2 + ~forth
    again, unseen = _sent_again(one, group, count * 2)
    data = (one.length > 0) & ((one.flags & RST) == 0)
    syn, fin = (one.flags & SYN) > 0, (one.flags & FIN) > 0
    opening_again = syn & (again | opens_again)

    def per_talk(mask: Mask) -> Ints:
        return np.bincount(talk[mask], minlength=count)

    rtt, far, opening = _openings(one, talk, forth, count)
    request_of, server, network, client_of, thinking = _turns(one, talk, forth, data, again & data, rtt, far)
    sides = np.bincount(group, minlength=count * 2).reshape(count, 2)
    return Talks(
        ip=one.ip[first],
        turned=~forth[first],
        packets=sides.sum(axis=1),
        rtt_ms=rtt,
        far_ms=far,
        opening_ms=opening,
        sent_again=per_talk(again & data & ~syn),
        opening_again=per_talk(opening_again),
        closing_again=per_talk(again & fin & ~data & ~syn),
        zero_windows=per_talk((one.window == 0) & ((one.flags & (SYN | FIN | RST)) == 0)),
        resets=per_talk((one.flags & RST) > 0),
        one_sided=(sides.min(axis=1) == 0) & (sides.max(axis=1) > 2),
        missing=unseen,
        guessed=guessed,
        request_of=request_of,
        server_ms=server,
        network_ms=network,
        client_of=client_of,
        client_ms=thinking,
        data_segments=int(data.sum()),
        duplicates=duplicates,
    )


def _clients(one: Segments, talk: Ints, count: int, port: int | None) -> tuple[npt.NDArray[np.uint64], Mask]:
    """Who sent the SYN, or got the SYN-ACK; else whoever does not hold `port`; else the higher port number."""
    ports = np.uint64(0xFFFF)
    first = np.searchsorted(talk, np.arange(count))
    source, sink = one.source[first], one.sink[first]
    client = np.where((source & ports) > (sink & ports), source, sink)
    if port is not None:
        client = np.where((source & ports) == port, sink, source)
    guessed = np.full(count, port is None)
    for wanted, who in ((SYN | ACK, one.sink), (SYN, one.source)):
        rows = np.flatnonzero((one.flags & (SYN | ACK)) == wanted)
        client[talk[rows]] = who[rows]
        guessed[talk[rows]] = False
    return client, guessed


def _sent_again(one: Segments, group: Ints, groups: int) -> tuple[Mask, Mask]:
    """Whether a segment begins before what its side had sent already; per connection, whether bytes are missing."""
    order = np.argsort(group, kind="stable")
    mine = group[order]
    begins = np.ones(len(mine), np.bool_)
    begins[1:] = mine[1:] != mine[:-1]
    flags, length = one.flags[order], one.length[order]
    # RST and empty segments may carry any number: only what takes up sequence numbers moves the edge.
    takes = length + ((flags & SYN) > 0) + ((flags & FIN) > 0)
    takes = np.where((flags & RST) > 0, 0, takes)
    step = np.zeros(len(mine), np.int64)
    step[1:] = np.diff(one.sequence[order]).astype(np.int32)
    step[begins] = 0
    reached = np.cumsum(step)
    heads = np.flatnonzero(begins)
    reached -= np.repeat(reached[heads], np.diff(np.append(heads, len(mine))))
    room = 2 ** (60 - max(1, int(groups)).bit_length())
    reached = np.clip(reached, -room // 4, room // 4)
    rank = np.cumsum(begins) - 1
    edge = np.maximum.accumulate(np.where(takes > 0, reached + takes, -room // 2) + rank * room) - rank * room
    before = np.full(len(mine), -room, np.int64)
    before[1:] = edge[:-1]
    before[begins] = -room
    alive = (length == 1) & (reached == before - 1) & ((flags & (SYN | FIN | RST)) == 0)
    again = np.zeros(len(mine), np.bool_)
    again[order] = (takes > 0) & (reached < before) & ~alive
    return again, _unseen(one, order, mine, edge, reached, heads, groups)


def _unseen(one: Segments, order: Ints, mine: Ints, edge: Ints, reached: Ints, heads: Ints, groups: int) -> Mask:
    """The other side acknowledged more than was captured. Sequence numbers compare modulo 2**32."""
    last = np.append(heads[1:], len(mine))[: len(heads)] - 1
    top = np.zeros(groups, np.int64)
    known = np.zeros(groups, np.bool_)
    there = mine[last]
    top[there] = one.sequence[order[last]] - reached[last] + edge[last]
    known[there] = edge[last] > -(2**40)
    acked, speaks = np.zeros(groups, np.int64), np.zeros(groups, np.bool_)
    rows = np.flatnonzero((one.flags[order] & (ACK | RST)) == ACK)
    acked[mine[rows]] = one.acknowledged[order[rows]]
    speaks[mine[rows]] = True
    other = np.arange(groups) ^ 1
    ahead = ((acked[other] - top) & 0xFFFFFFFF).astype(np.uint32).astype(np.int32)
    missing: Mask = (known & speaks[other] & (ahead > 0)).reshape(-1, 2).any(axis=1)
    return missing


def _openings(one: Segments, talk: Ints, forth: Mask, count: int) -> tuple[Floats, Floats, Floats]:
    def times(rows: Ints, earliest: bool) -> Floats:
        found = np.full(count, np.nan)
        ordered = rows[::-1] if earliest else rows
        found[talk[ordered]] = one.at_ns[ordered] - (one.at_ns[0] if len(one.at_ns) else 0)
        return found

    kind = one.flags & (SYN | ACK | RST | FIN)
    answers = np.flatnonzero((kind == (SYN | ACK)) & ~forth)
    answered = times(answers, earliest=True)
    after = one.at_ns - (one.at_ns[0] if len(one.at_ns) else 0)
    asks = np.flatnonzero((kind == SYN) & forth)
    early = asks[after[asks] <= answered[talk[asks]]]
    greets = np.flatnonzero((kind & (SYN | RST | ACK) == ACK) & forth)
    greets = greets[after[greets] >= answered[talk[greets]]]
    first, last, done = times(early, earliest=True), times(early, earliest=False), times(greets, earliest=True)
    far = (answered - last) / 1e6
    return far + (done - answered) / 1e6, far, (done - first) / 1e6


def _turns(
    one: Segments, talk: Ints, forth: Mask, data: Mask, again: Mask, rtt: Floats, far: Floats
) -> tuple[Ints, Floats, Floats, Ints, Floats]:
    """Each change of who speaks: from a request's last byte to its answer's first, and back."""
    rows = np.flatnonzero(data)
    fresh = np.flatnonzero(~again[rows])
    spoken = rows[fresh]
    same = talk[spoken[1:]] == talk[spoken[:-1]]
    answers = np.flatnonzero(same & forth[spoken[:-1]] & ~forth[spoken[1:]])
    asks = np.flatnonzero(same & ~forth[spoken[:-1]] & forth[spoken[1:]])
    asked, answered = spoken[answers], spoken[answers + 1]
    # A request that had to be sent again reached the server only then: that wait is the network's.
    previous = rows[fresh[answers + 1] - 1]
    reached = np.where(forth[previous], previous, asked)
    lost_ms = np.maximum(0, one.at_ns[reached] - one.at_ns[asked]) / 1e6
    of = talk[asked]
    gap_ms = np.maximum(0, one.at_ns[answered] - one.at_ns[reached]) / 1e6
    way = np.nan_to_num(far)[of]
    server = np.maximum(0.0, gap_ms - way)
    network = np.minimum(way, gap_ms) + np.maximum(0.0, np.nan_to_num(rtt)[of] - way) + lost_ms
    done, next_asked = spoken[asks], spoken[asks + 1]
    back = np.nan_to_num(rtt - far)[talk[done]]
    thinking = np.maximum(0.0, np.maximum(0, one.at_ns[next_asked] - one.at_ns[done]) / 1e6 - back)
    return of, server, network, talk[done], thinking

"""DNS in a capture: how long questions took, and what came back."""

from __future__ import annotations

from dataclasses import dataclass, field

from unslow.packets.columns import Questions

CODES = {1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
_ANSWER, _CODE = 0x8000, 0x000F


@dataclass(slots=True)
class Names:
    """`ms` per answered question, from its first sending; `failures` by the server's code."""

    ms: list[float] = field(default_factory=list)
    unanswered: int = 0
    asked_again: int = 0
    failures: dict[str, int] = field(default_factory=dict)


def names(questions: Questions) -> Names:
    found, open_ns = Names(), dict[tuple[int, int, int], int]()
    columns = (questions.at_ns, questions.source, questions.sink, questions.identity, questions.flags)
    for at_ns, source, sink, identity, flags in zip(*(one.tolist() for one in columns), strict=True):
        if not flags & _ANSWER:
            # A copy of the same packet, seen on another interface, comes within a millisecond.
            found.asked_again += at_ns - open_ns.setdefault((source, sink, identity), at_ns) > 1_000_000
            continue
        asked_ns = open_ns.pop((sink, source, identity), None)
        if asked_ns is None:
            continue
        found.ms.append(max(0, at_ns - asked_ns) / 1e6)
        if flags & _CODE:
            code = CODES.get(flags & _CODE, f"code {flags & _CODE}")
            found.failures[code] = found.failures.get(code, 0) + 1
    found.unanswered = len(open_ns)
    return found

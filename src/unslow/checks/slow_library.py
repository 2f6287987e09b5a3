"""A library that the application calls computes: a serializer, a parser, a regular expression.

Signature   running request threads inside library code, or on a line whose only call is a library's
Look-alike  hot_function: the loop is the application's own; drivers and HTTP clients: those wait, they do not compute
Blind to    C functions reached through a variable that cannot be followed in the source
Reference   wall-clock profile, self time
"""

from __future__ import annotations

from unslow.finding import Clear, Finding
from unslow.measure.account import Account
from unslow.measure.significance import claim, is_excess, ms, total

RESTS_ON = ("profile",)


def check(account: Account) -> Finding | Clear:
    lines = tuple(
        line for line in account.of_kind("cpu code") if line.detail in {"library", "template"} and line.excess_s > 0
    )
    if not lines:
        return Clear("no time in libraries that compute")
    top = max(lines, key=lambda line: line.excess_s)
    measured = f"libraries compute for {ms(sum(line.now_s for line in lines))} a request"
    if not is_excess(account, lines, normal=True):
        return Clear(f"{measured}, most in {top.place}")
    return Finding(
        title=f"{top.place} is slow",
        because=f"{measured}; {ms(total((top,)))} of it in {top.place}",
        place=top.place,
        # Other requests wait for the interpreter lock while this code holds it.
        claims=claim(account, (*lines, *account.of_kind("gil"))),
        # Without a reference this may be what the service is for: a queue is then not its consequence.
        confidence=0.7 if account.has_reference else 0.58,
        next_steps=(
            f"replace or feed {top.place} differently: a compiled serializer, a simpler pattern, smaller input",
            "measure the alternative on a saved request body before changing it",
        ),
        fixes=("replace_library",),
        evidence=("profile",),
    )

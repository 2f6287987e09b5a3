"""A packet capture in plain words."""

from __future__ import annotations

import argparse
from pathlib import Path

from unslow.commands import EXIT_HEALTHY, Commands, command

MOST_BYTES = 256 * 1024 * 1024


def add(commands: Commands) -> None:
    added = command(
        commands,
        "packets",
        run,
        "Say what a packet capture shows: network or server, retransmits, zero windows, resets, DNS.",
        """\
  unslow packets dump.pcap
  tcpdump -i any -n -s 256 -c 50000 -w - | unslow packets -
  unslow packets dump.pcap --json""",
    )
    added.add_argument(
        "file", metavar="FILE", help="a pcap file (Ethernet, raw IP or Linux cooked), or - for standard input"
    )
    added.add_argument("--json", action="store_true", help="one JSON document")


def run(arguments: argparse.Namespace) -> int:
    import json
    import sys

    from unslow.errors import BadInput
    from unslow.runbook.packets import verdict

    try:
        if arguments.file == "-":
            content = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            with Path(arguments.file).open("rb") as file:
                content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise BadInput(f"{arguments.file}: {error.strerror}", "give a file that tcpdump -w wrote") from error
    if len(content) > MOST_BYTES:
        raise BadInput("the capture is larger than 256 MiB", "cut it: editcap -c 1000000, or tcpdump -s 256 -c 1000000")
    figures, means = verdict(content)
    if not figures:
        raise BadInput(means[0], "give a pcap file; pcapng: tshark -F pcap -r IN -w OUT")
    if arguments.json:
        print(json.dumps({"schema": "unslow.packets/1", "figures": figures, "means": means}, indent=2))
    else:
        print("\n".join([*figures, "", *means]))
    return EXIT_HEALTHY

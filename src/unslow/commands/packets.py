"""A packet capture in plain words."""

from __future__ import annotations

import argparse
from pathlib import Path

from unslow.commands import EXIT_HEALTHY, Commands, command

MOST_PIPED_BYTES = 256 * 1024 * 1024


def add(commands: Commands) -> None:
    added = command(
        commands,
        "packets",
        run,
        "Say what a packet capture shows: network or server, retransmits, zero windows, resets, DNS.",
        """\
  unslow packets dump.pcap
  unslow packets dump.pcapng --port 8000
  tcpdump -i any -n -s 128 -c 50000 -w - | unslow packets -
  unslow packets dump.pcap --json""",
    )
    added.add_argument("file", metavar="FILE", help="a pcap or pcapng file, or - for standard input")
    added.add_argument("--port", type=_port, metavar="N", help="only connections of the server on this port")
    added.add_argument("--json", action="store_true", help="one JSON document")


def _port(text: str) -> int:
    if text.isascii() and text.isdigit() and 0 < int(text) < 65536:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no port; say 1 to 65535")


def run(arguments: argparse.Namespace) -> int:
    import msgspec

    from unslow.packets.verdict import verdict
    from unslow.packets.words import lines

    found = verdict(_content(arguments.file), arguments.port)
    if arguments.json:
        print(msgspec.json.format(msgspec.json.encode(found)).decode())
    else:
        print("\n".join(lines(found)))
    return EXIT_HEALTHY


def _content(name: str) -> object:
    """A map of the file, so that its size costs no memory; a pipe is read whole, up to a limit."""
    import mmap
    import sys

    from unslow.errors import BadInput

    if name == "-":
        content = sys.stdin.buffer.read(MOST_PIPED_BYTES + 1)
        if len(content) > MOST_PIPED_BYTES:
            raise BadInput("more than 256 MiB on standard input", "write it to a file, or tcpdump -s 128 -c 1000000")
        return content
    try:
        with Path(name).open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except ValueError as error:
        raise BadInput(
            f"{name} is empty", "give a pcap or pcapng file that tcpdump -w, dumpcap or tshark -w wrote"
        ) from error
    except OSError as error:
        raise BadInput(
            f"{name}: {error.strerror}", "give a file that tcpdump -w, dumpcap or tshark -w wrote"
        ) from error

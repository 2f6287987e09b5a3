"""Evidence <-> one `.unslow` file: a zip with a manifest and the evidence as JSON.

Nothing is ever extracted to disk; every size is checked before it is believed; whatever is wrong
with a file becomes one `BadInput`.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from io import BytesIO
from math import isfinite
from pathlib import Path
from typing import Any

import msgspec

from unslow import __version__
from unslow.errors import BadInput
from unslow.evidence import Evidence

FORMAT = 1
MANIFEST, EVIDENCE = "manifest.json", "evidence.json"
LARGEST_FILE = 64 * 1024 * 1024
LARGEST_ENTRY = 64 * 1024 * 1024
LARGEST_MANIFEST = 64 * 1024
MOST_ENTRIES = 8
DEEPEST = 64
LARGEST_INTEGER = 2**63 - 1
EARLIEST = (1980, 1, 1, 0, 0, 0)
"""All entries carry the same time, so that the same evidence gives the same bytes."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    size: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    format: int
    created_by: str
    entries: dict[str, Entry]


def write(path: Path, evidence: Evidence) -> None:
    """Write the bundle as a whole or not at all."""
    payload = encode(evidence)
    folder = path.parent
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".unslow-", delete=False) as file:
            temporary = Path(file.name)
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise BadInput(
            f"{path} cannot be written: {error.strerror}", "choose another place with --save FILE"
        ) from error


def encode(evidence: Evidence) -> bytes:
    """The bundle's bytes; the same for the same evidence."""
    _refuse_infinite(msgspec.to_builtins(evidence), "the evidence")
    document = msgspec.json.format(msgspec.json.encode(evidence), indent=1)
    manifest = Manifest(
        format=FORMAT,
        created_by=f"unslow {__version__}",
        entries={EVIDENCE: Entry(size=len(document), sha256=hashlib.sha256(document).hexdigest())},
    )
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in ((MANIFEST, msgspec.json.encode(manifest)), (EVIDENCE, document)):
            archive.writestr(zipfile.ZipInfo(name, EARLIEST), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def read(path: Path) -> Evidence:
    """Read a bundle. Raises `BadInput` with one line for whatever is wrong with it."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise BadInput(f"{path} is larger than {LARGEST_FILE >> 20} MiB", "no bundle is that large")
        payload = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}", "give a URL or a .unslow file") from error
    return decode(payload, str(path))


def decode(payload: bytes, name: str = "the bundle") -> Evidence:
    """The evidence in a bundle's bytes; `name` is used in errors."""
    try:
        with zipfile.ZipFile(BytesIO(payload)) as archive:
            manifest = _manifest(archive, name)
            return READERS[manifest.format](archive, manifest, name)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, EOFError) as error:
        raise BadInput(f"{name} is no bundle: {_line(error)}", "save it again with --save") from error
    except (msgspec.MsgspecError, RecursionError, UnicodeError, ValueError, OverflowError) as error:
        raise BadInput(f"{name} is damaged: {_line(error)}", "save it again with --save") from error
    except (RuntimeError, OSError, KeyError, IndexError, TypeError) as error:
        # zipfile reports encrypted and truncated entries in these ways.
        raise BadInput(f"{name} is damaged: {_line(error)}", "save it again with --save") from error
    except Exception as error:
        if type(error).__module__ == "zlib":
            raise BadInput(f"{name} is damaged: {_line(error)}", "save it again with --save") from error
        raise


def _manifest(archive: zipfile.ZipFile, name: str) -> Manifest:
    names = archive.namelist()
    if len(names) > MOST_ENTRIES or len(set(names)) != len(names):
        raise BadInput(
            f"{name} holds {len(names)} entries, some of them twice or too many", "save it again with --save"
        )
    if MANIFEST not in names:
        raise BadInput(f"{name} has no {MANIFEST}", "this is no bundle of unslow")
    manifest = msgspec.json.decode(_entry(archive, MANIFEST, LARGEST_MANIFEST, name), type=Manifest)
    if manifest.format not in READERS:
        raise BadInput(
            f"{name} has format {manifest.format}; this unslow reads {', '.join(map(str, READERS))}",
            "use a newer unslow",
        )
    return manifest


def _version_1(archive: zipfile.ZipFile, manifest: Manifest, name: str) -> Evidence:
    known = manifest.entries.get(EVIDENCE)
    if known is None or EVIDENCE not in archive.namelist():
        raise BadInput(f"{name} has no {EVIDENCE}", "save it again with --save")
    document = _entry(archive, EVIDENCE, LARGEST_ENTRY, name)
    if len(document) != known.size or hashlib.sha256(document).hexdigest() != known.sha256:
        raise BadInput(f"{name} is damaged: {EVIDENCE} does not match its checksum", "save it again with --save")
    _refuse_infinite(msgspec.json.decode(document), name)
    evidence = msgspec.json.decode(document, type=Evidence)
    _refuse_nonsense(evidence, name)
    return evidence


READERS: Mapping[int, Callable[[zipfile.ZipFile, Manifest, str], Evidence]] = {1: _version_1}
"""One reader per format that was ever written."""


def _entry(archive: zipfile.ZipFile, entry: str, largest: int, name: str) -> bytes:
    """At most `largest` bytes of one entry, whatever its header says."""
    if archive.getinfo(entry).file_size > largest:
        raise BadInput(f"{name}: {entry} is larger than {largest >> 10} KiB", "no bundle is that large")
    with archive.open(entry) as stream:
        content = stream.read(largest + 1)
    if len(content) > largest:
        raise BadInput(f"{name}: {entry} is larger than {largest >> 10} KiB", "no bundle is that large")
    return content


def _refuse_infinite(value: Any, name: str, depth: int = 0) -> None:
    if depth > DEEPEST:
        raise BadInput(f"{name} is nested more than {DEEPEST} deep", "save it again with --save")
    if isinstance(value, float) and not isfinite(value):
        raise BadInput(f"{name} holds a number that is not finite", "save it again with --save")
    if isinstance(value, int) and abs(value) > LARGEST_INTEGER:
        raise BadInput(f"{name} holds a number beyond 64 bits", "save it again with --save")
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    for child in children:
        _refuse_infinite(child, name, depth + 1)


def _refuse_nonsense(evidence: Evidence, name: str) -> None:
    """What no collector writes, and arithmetic would trip over."""
    wrong = []
    if not 0 <= evidence.window.start_s <= evidence.window.end_s <= 253402300799:
        wrong.append("the window ends before it starts, or lies outside the calendar")
    profile = evidence.profile
    if profile and any(not 0 <= index < len(profile.frames) for sample in profile.samples for index in sample.stack):
        wrong.append("a stack names a frame that is not there")
    requests = evidence.requests
    if (
        requests
        and len({len(getattr(requests, field)) for field in requests.__struct_fields__ if field != "timeout_s"}) > 1
    ):
        wrong.append("the lists of request times differ in length")
    if any(not 0 <= probe.started_s <= 253402300799 for probe in evidence.probes):
        wrong.append("a probe started outside the calendar")
    if evidence.series and any(not 0 <= point.at_s <= 253402300799 for point in evidence.series.points):
        wrong.append("a series has points outside the calendar")
    if evidence.reference and evidence.reference.reference:
        wrong.append("the baseline has a baseline")
    if wrong:
        raise BadInput(f"{name} makes no sense: {wrong[0]}", "save it again with --save")
    if evidence.reference:
        _refuse_nonsense(evidence.reference, name)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__

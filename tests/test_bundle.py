from __future__ import annotations

import hashlib
import io
import json
import random
import stat
import zipfile
from pathlib import Path

import msgspec
import pytest

from tests import samples
from unslow import bundle
from unslow.diagnose import diagnose
from unslow.errors import BadInput
from unslow.report import document

MUTATIONS = 10_000
MEMORY_MIB = 512


def packed(entries: dict[str, bytes], manifest: dict[str, object] | None = None) -> bytes:
    """A zip that claims what it holds, or what `manifest` says."""
    known = {name: {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()} for name, body in entries.items()}
    claimed = manifest or {"format": 1, "created_by": "test", "entries": known}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", json.dumps(claimed))
        for name, body in entries.items():
            archive.writestr(name, body)
    return buffer.getvalue()


def evidence_with(**changes: object) -> bytes:
    """The sample's JSON with top-level sections replaced, in a bundle."""
    content = msgspec.to_builtins(samples.slow())
    content.update(changes)
    return packed({"evidence.json": json.dumps(content).encode()})


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "incident.unslow"
    bundle.write(path, samples.slow())
    assert bundle.read(path) == samples.slow()
    assert list(tmp_path.iterdir()) == [path]


def test_the_diagnosis_is_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "incident.unslow"
    whole = bundle.decode(bundle.encode(samples.slow(reference=samples.healthy())))
    bundle.write(path, whole)
    assert document.render(diagnose(bundle.read(path))) == document.render(diagnose(whole))


def test_the_same_evidence_gives_the_same_file() -> None:
    assert bundle.encode(samples.slow()) == bundle.encode(samples.slow())


def test_infinite_numbers_are_not_written(tmp_path: Path) -> None:
    window = msgspec.structs.replace(samples.slow().window, end_s=float("inf"))
    with pytest.raises(BadInput, match="not finite"):
        bundle.write(tmp_path / "x.unslow", samples.slow(window=window))
    assert not list(tmp_path.iterdir())


def deep() -> bytes:
    return b'{"schema":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


def linked() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("manifest.json")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    return buffer.getvalue()


def doubled() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("manifest.json", "{}")
        archive.writestr("manifest.json", "{}")
    return buffer.getvalue()


def bomb() -> bytes:
    return packed({"evidence.json": b"0" * (bundle.LARGEST_ENTRY + 1)})


HOSTILE = {
    "no zip": lambda: b"hello",
    "empty": lambda: b"",
    "truncated": lambda: bundle.encode(samples.slow())[:-200],
    "no manifest": lambda: _zip({"evidence.json": b"{}"}),
    "slip": lambda: packed({"../../../tmp/outside": b"x"}),
    "absolute": lambda: packed({"/tmp/outside": b"x"}),
    "link": linked,
    "twice": doubled,
    "bomb": bomb,
    "newer": lambda: packed({"evidence.json": b"{}"}, {"format": 99, "created_by": "x", "entries": {}}),
    "wrong sum": lambda: packed(
        {"evidence.json": b"{}"},
        {"format": 1, "created_by": "x", "entries": {"evidence.json": {"size": 2, "sha256": "0"}}},
    ),
    "nan": lambda: packed({"evidence.json": b'{"schema": NaN}'}),
    "huge number": lambda: evidence_with(window={"start_s": 1e308, "end_s": 1e308}),
    "huge integer": lambda: evidence_with(redacted=10**400),
    "deep": lambda: packed({"evidence.json": deep()}),
    "bad utf-8": lambda: packed({"evidence.json": b'{"schema": "\xff\xfe"}'}),
    "wrong type": lambda: evidence_with(window="yesterday"),
    "backwards": lambda: evidence_with(window={"start_s": 20.0, "end_s": 10.0}),
    "no such frame": lambda: evidence_with(
        profile={
            "frames": [],
            "samples": [{"stack": [7], "state": "run", "seconds": 1}],
            "seconds": 1,
            "rate_hz": 50,
            "readings": 1,
        }
    ),
}


def _zip(entries: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, body in entries.items():
            archive.writestr(name, body)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", sorted(HOSTILE))
def test_a_hostile_bundle_gets_one_clear_line(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "hostile.unslow"
    path.write_bytes(HOSTILE[kind]())
    with pytest.raises(BadInput) as caught:
        bundle.read(path)
    assert "\n" not in caught.value.message
    assert caught.value.exit_code == 2
    assert not Path("/tmp/outside").exists()


def memory_mib(name: str) -> float:
    """`VmRSS`: held now; `VmHWM`: the most since the mark was last wiped."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1024


def test_ten_thousand_mutated_bundles_never_surprise() -> None:
    Path("/proc/self/clear_refs").write_text("5")  # other tests of this process have left their own mark
    held_mib = memory_mib("VmRSS")
    chance = random.Random(46)
    good = bundle.encode(samples.slow())
    document_bytes = msgspec.json.encode(samples.slow())
    refused = 0
    for number in range(MUTATIONS):
        if number % 2:
            payload = mutated(good, chance)
        else:
            # Half of them are damaged inside, with a manifest that fits, so that the damage is reached.
            payload = packed({"evidence.json": mutated(document_bytes, chance)})
        try:
            diagnose(bundle.decode(payload))
        except BadInput as error:
            refused += 1
            assert "\n" not in error.message
    print(f"{MUTATIONS} mutated bundles: {refused} refused, the others read")
    assert refused > MUTATIONS / 2
    assert memory_mib("VmHWM") - held_mib < MEMORY_MIB


def mutated(content: bytes, chance: random.Random) -> bytes:
    """Bits flipped, pieces cut out, doubled or moved."""
    damaged = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(damaged))
        kind = chance.randrange(4)
        piece = damaged[at : at + chance.randint(1, 40)]
        if kind == 0:
            damaged[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del damaged[at : at + len(piece)]
        elif kind == 2:
            damaged[at:at] = piece
        else:
            other = chance.randrange(len(damaged))
            damaged[other : other + len(piece)] = piece
    return bytes(damaged)

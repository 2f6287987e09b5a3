from __future__ import annotations

import os
from pathlib import Path

import pytest

from unslow.collect import cgroups
from unslow.collect.cgroups import MemoryGroup, Throttling


@pytest.fixture
def unified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A version 2 tree in which this process is in `a/b`."""
    (tmp_path / "proc" / str(os.getpid())).mkdir(parents=True)
    (tmp_path / "proc" / str(os.getpid()) / "cgroup").write_text("0::/a/b\n")
    mount = tmp_path / "groups"
    (mount / "a" / "b").mkdir(parents=True)
    (tmp_path / "proc" / "mounts").write_text(f"cgroup2 {mount} cgroup2 rw 0 0\n")
    monkeypatch.setattr("unslow.collect.processes.PROC", tmp_path / "proc")
    return mount


def test_the_tightest_quota_of_all_parents_counts(unified: Path) -> None:
    (unified / "a" / "b" / "cpu.max").write_text("200000 100000\n")
    (unified / "a" / "cpu.max").write_text("50000 100000\n")
    (unified / "a" / "cpu.stat").write_text("nr_periods 126\nnr_throttled 27\nthrottled_usec 1500000\n")
    quota = cgroups.quota(os.getpid())
    assert quota is not None
    assert (quota.cores, quota.folder) == (0.5, unified / "a")
    assert cgroups.throttling(quota.folder) == Throttling(126, 27, 1.5)


def test_no_quota_is_none(unified: Path) -> None:
    (unified / "a" / "b" / "cpu.max").write_text("max 100000\n")
    assert cgroups.quota(os.getpid()) is None


def test_memory_of_the_tightest_group(unified: Path) -> None:
    (unified / "a" / "b" / "memory.current").write_text("1000\n")
    (unified / "a" / "b" / "memory.max").write_text("max\n")
    assert cgroups.memory(os.getpid()) == MemoryGroup(None, 1000)
    (unified / "a" / "memory.current").write_text("3000\n")
    (unified / "a" / "memory.max").write_text("4000\n")
    assert cgroups.memory(os.getpid()) == MemoryGroup(4000, 3000)


def test_version_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "proc" / "7").mkdir(parents=True)
    (tmp_path / "proc" / "7" / "cgroup").write_text("2:cpuacct,cpu:/job\n1:memory:/job\n0::/\n")
    for name in ("cpu", "memory"):
        (tmp_path / name / "job").mkdir(parents=True)
    (tmp_path / "proc" / "mounts").write_text(
        f"cgroup {tmp_path}/cpu cgroup rw,cpu,cpuacct 0 0\ncgroup {tmp_path}/memory cgroup rw,memory 0 0\n"
    )
    job = tmp_path / "cpu" / "job"
    (job / "cpu.cfs_quota_us").write_text("30000\n")
    (job / "cpu.cfs_period_us").write_text("100000\n")
    (job / "cpu.stat").write_text("nr_periods 10\nnr_throttled 5\nthrottled_time 2000000000\n")
    (tmp_path / "memory" / "job" / "memory.limit_in_bytes").write_text(f"{2**63 - 4096}\n")
    (tmp_path / "memory" / "job" / "memory.usage_in_bytes").write_text("5\n")
    monkeypatch.setattr("unslow.collect.processes.PROC", tmp_path / "proc")
    quota = cgroups.quota(7)
    assert quota is not None
    assert quota.cores == 0.3
    assert cgroups.throttling(quota.folder) == Throttling(10, 5, 2.0)
    assert cgroups.memory(7) == MemoryGroup(None, 5)


def test_pressure_is_the_total_of_some(tmp_path: Path) -> None:
    (tmp_path / "cpu").write_text("some avg10=1.00 avg60=0.5 avg300=0.1 total=2500000\nfull avg10=0 total=7\n")
    assert cgroups.stalled_s(tmp_path / "cpu") == 2.5
    assert cgroups.stalled_s(tmp_path / "none") is None

from __future__ import annotations

import pytest

from tests.checks.cluster import MIB, container, pod, usage
from unslow.measure.cluster_sizing import reserved, right_sizes


def test_a_size_shows_its_formula_and_inputs() -> None:
    some = [
        pod(name, container(usage=usage(cores_p95=p95, memory_max_bytes=held * MIB, looked_back_s=86_400.0)))
        for name, p95, held in (("a", 0.2, 100), ("b", 0.4, 90))
    ]
    (size,) = right_sizes(some)
    assert size.cpu_cores == pytest.approx(0.46)
    assert size.memory_bytes == 120 * MIB
    assert size.formula == "CPU 1.15 x p95 of 0.400 cores, memory 1.2 x highest 100 MiB, over 24 h of 2 pods"


def test_less_than_an_hour_is_no_history() -> None:
    assert right_sizes([pod("a", container(usage=usage(cores_p95=0.2, looked_back_s=3599.0)))]) == ()


def test_what_is_reserved_and_used_by_the_busiest_pod_without_helpers() -> None:
    proxy = container(name="proxy", sidecar=True)
    some = [pod("a", container(usage=usage(cores=0.1)), proxy), pod("b", container(usage=usage(cores=0.3)), proxy)]
    (one,) = reserved(some)
    assert (one.container, one.cpu_request_cores, one.cpu_used_cores) == ("app", 0.25, 0.3)

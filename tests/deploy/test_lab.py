"""The shop's manifests: one truth with the shop on one machine, limits everywhere, and faults that fit them."""

from __future__ import annotations

import copy
import re

import pytest

from unslow.lab.cluster_faults import CLUSTER_FAULTS, of_the_shop
from unslow.lab.cluster_objects import FILES, KINDS, MANIFESTS, in_namespace, path, read
from unslow.lab.database import FILL
from unslow.lab.faults import FAULTS

SHOP = in_namespace(read(*FILES), "elsewhere")
CHECKS = MANIFESTS.parents[1] / "src" / "unslow" / "checks"


def test_the_image_of_the_database_is_filled_with_the_same_rows() -> None:
    there = (MANIFESTS / "postgres" / "fill.sql").read_text()
    assert re.sub(r"\s+", " ", there).strip() == re.sub(r"\s+", " ", FILL).strip()


def test_every_container_has_requests_and_a_memory_limit() -> None:
    for found in SHOP:
        if found["kind"] == "Deployment":
            for one in found["spec"]["template"]["spec"]["containers"]:
                assert {"cpu", "memory"} <= set(one["resources"]["requests"]), found["metadata"]["name"]
                assert "memory" in one["resources"]["limits"]


def test_the_visitors_end_by_themselves() -> None:
    job = read("visitors")[0]["spec"]
    assert job["backoffLimit"] == 0
    assert job["activeDeadlineSeconds"] > 0
    assert job["ttlSecondsAfterFinished"] >= 0
    assert job["template"]["spec"]["restartPolicy"] == "Never"


def test_everything_moves_to_another_namespace() -> None:
    for found in SHOP:
        assert found["kind"] in KINDS
        where = path(found)
        assert "ai-coding-bench" not in where
        assert "elsewhere" in where


@pytest.mark.parametrize("name", CLUSTER_FAULTS)
def test_a_fault_of_the_cluster_changes_something_and_has_a_check(name: str) -> None:
    fault = CLUSTER_FAULTS[name]
    objects = copy.deepcopy(SHOP)
    fault.edit(objects)
    assert objects != SHOP or fault.rules(["10.0.0.1"])
    assert fault.causes
    assert all((CHECKS / f"{cause}.py").exists() for cause in fault.causes)


@pytest.mark.parametrize("name", [name for name in FAULTS if name not in {"none", "long_poll", "traffic_surge"}])
def test_a_fault_of_the_shop_is_made_in_the_cluster_too(name: str) -> None:
    objects = copy.deepcopy(SHOP)
    fault = of_the_shop(name)
    fault.edit(objects)
    assert objects != SHOP or fault.without_index
    assert fault.causes[0] == name  # the others are how it may look from the target


def test_an_edit_leaves_the_healthy_shop_alone() -> None:
    before = copy.deepcopy(SHOP)
    for fault in CLUSTER_FAULTS.values():
        fault.edit(copy.deepcopy(SHOP))
    assert before == SHOP

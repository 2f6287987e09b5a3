from __future__ import annotations

from tests.collect.kube_objects import endpoint_slice, made, pod, service, workload
from unslow.collect.cluster_services import called_pods, hosts, named_hosts, services, target_port
from unslow.evidence.cluster import Usage
from unslow.kube import core


def test_roles_endpoints_and_ports() -> None:
    ready = {
        "addresses": ["10.0.0.1"],
        "conditions": {"ready": True},
        "targetRef": {"kind": "Pod", "name": "web-1"},
        "zone": "a",
    }
    leaving = {"addresses": ["10.0.0.2"], "conditions": {"ready": False, "serving": True, "terminating": True}}
    found = services(
        [service(), service("db", {"app": "db"}), service("stranger", {"app": "other"})],
        [endpoint_slice("web", ready, leaving), endpoint_slice("db")],
        workload(env={"DATABASE_URL": "postgresql://app@db.shop.svc:5432/app"}),
        [pod()],
    ).services
    assert [(one.name, one.role) for one in found] == [("db", "dependency"), ("web", "target")]
    database, web = found
    assert database.endpoints == ()
    assert database.selects == 0
    assert [(one.pod, one.ready, one.serving, one.terminating) for one in web.endpoints] == [
        ("web-1", True, True, False),
        ("", False, True, True),
    ]
    assert web.ports[0].matches is True


def test_a_service_of_the_workloads_name_counts_even_when_its_selector_matches_nothing() -> None:
    (found,) = services([service(selector={"app": "wbe"})], [], workload(), [pod()]).services
    assert (found.role, found.selects) == ("target", 0)


def test_a_named_port_that_no_container_has_is_wrong_and_a_number_is_not_known() -> None:
    (named,) = services([service(target="grpc")], [], workload(), [pod()]).services
    (numbered,) = services([service(target=9999)], [], workload(), [pod()]).services
    assert named.ports[0].matches is False
    assert numbered.ports[0].matches is None


def test_unknown_conditions_count_as_true() -> None:
    (found,) = services([service()], [endpoint_slice("web", {"addresses": ["10.0.0.1"]})], workload(), [pod()]).services
    assert (found.endpoints[0].ready, found.endpoints[0].serving) == (True, True)


def test_the_port_behind_a_name() -> None:
    assert target_port(service(), pod()) == 8000
    assert target_port(service(target=9), pod()) == 9
    assert target_port(service(target="nope"), pod()) is None


def test_hosts_are_first_labels_of_plain_settings() -> None:
    container = made(
        core.Container, name="c", env=[{"name": "A", "value": "redis://cache.shop.svc.cluster.local:6379/0"}]
    )
    assert "cache" in hosts([container])


def test_names_to_look_up_are_whole_and_no_addresses() -> None:
    settings = {
        "DATABASE_URL": "postgresql://user:secret@db.shop.svc:5432/app",
        "CACHE_HOST": "cache:6379",
        "SELF": "http://127.0.0.1:8000",
        "NOTE": "nothing",
        "API_ADDR": "10.0.0.1",
    }
    container = made(core.Container, name="c", env=[{"name": name, "value": value} for name, value in settings.items()])
    assert named_hosts([container]) == ("db.shop.svc", "cache")


BEHIND = {"addresses": ["10.0.0.7"], "targetRef": {"kind": "Pod", "name": "mail-1"}}


def test_what_the_target_was_seen_to_call_is_a_dependency_and_its_pods_stops_are_known() -> None:
    objects = [service(), service("mail", {"app": "mail"})], [endpoint_slice("mail", BEHIND)]
    used = {
        ("mail-1", "app"): Usage(cfs_periods=100, cfs_throttled_periods=40),
        ("mail-1", "proxy"): Usage(cfs_periods=100, cfs_throttled_periods=10),
        ("mail-1", "idle"): Usage(cfs_periods=10, cfs_throttled_periods=10),
    }
    mail, _ = services(*objects, workload(), [pod()], used, called={"mail"}).services
    assert (mail.role, mail.endpoints[0].throttled_container, mail.endpoints[0].throttled_ratio) == (
        "dependency",
        "app",
        0.4,
    )
    assert called_pods(*objects, workload(), called={"mail"}) == ("mail-1",)
    assert called_pods(*objects, workload()) == ()

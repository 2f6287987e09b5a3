"""The core objects, with the fields that are asked for and no others."""

from __future__ import annotations

from datetime import datetime

import msgspec

from unslow.kube.meta import Meta

Quantities = dict[str, str | int | float]


class Resources(msgspec.Struct, frozen=True):
    requests: Quantities | None = None
    limits: Quantities | None = None


class ContainerPort(msgspec.Struct, frozen=True, rename="camel"):
    container_port: int
    name: str = ""
    protocol: str = "TCP"


class HttpAction(msgspec.Struct, frozen=True):
    port: int | str
    path: str = "/"
    scheme: str = "HTTP"


class TcpAction(msgspec.Struct, frozen=True):
    port: int | str


class GrpcAction(msgspec.Struct, frozen=True):
    port: int


class Handler(msgspec.Struct, frozen=True, rename="camel"):
    http_get: HttpAction | None = None
    tcp_socket: TcpAction | None = None
    grpc: GrpcAction | None = None
    exec_: dict[str, object] | None = msgspec.field(default=None, name="exec")
    initial_delay_seconds: int = 0
    period_seconds: int = 10
    timeout_seconds: int = 1
    failure_threshold: int = 3
    success_threshold: int = 1


class EnvReference(msgspec.Struct, frozen=True):
    name: str = ""
    key: str = ""


class EnvSource(msgspec.Struct, frozen=True, rename="camel"):
    config_map_key_ref: EnvReference | None = None
    secret_key_ref: EnvReference | None = None


class EnvVariable(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    value: str = ""
    value_from: EnvSource | None = None


class EnvFrom(msgspec.Struct, frozen=True, rename="camel"):
    config_map_ref: EnvReference | None = None
    secret_ref: EnvReference | None = None


class Capabilities(msgspec.Struct, frozen=True):
    add: tuple[str, ...] | None = None
    drop: tuple[str, ...] | None = None


class SecurityContext(msgspec.Struct, frozen=True, rename="camel"):
    run_as_user: int | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    read_only_root_filesystem: bool | None = None
    privileged: bool | None = None
    capabilities: Capabilities | None = None


class Container(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    image: str = ""
    command: tuple[str, ...] | None = None
    args: tuple[str, ...] | None = None
    env: tuple[EnvVariable, ...] | None = None
    env_from: tuple[EnvFrom, ...] | None = None
    ports: tuple[ContainerPort, ...] | None = None
    resources: Resources = Resources()
    liveness_probe: Handler | None = None
    readiness_probe: Handler | None = None
    startup_probe: Handler | None = None
    restart_policy: str = ""
    security_context: SecurityContext | None = None


class Toleration(msgspec.Struct, frozen=True):
    key: str = ""
    operator: str = ""
    value: str = ""
    effect: str = ""


class PodSpec(msgspec.Struct, frozen=True, rename="camel"):
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] | None = None
    ephemeral_containers: tuple[Container, ...] | None = None
    node_name: str = ""
    host_network: bool = False
    share_process_namespace: bool | None = None
    security_context: SecurityContext | None = None
    dns_policy: str = ""
    overhead: Quantities | None = None
    readiness_gates: tuple[dict[str, str], ...] | None = None


class Running(msgspec.Struct, frozen=True, rename="camel"):
    started_at: datetime | None = None


class Waiting(msgspec.Struct, frozen=True):
    reason: str = ""
    message: str = ""


class Terminated(msgspec.Struct, frozen=True, rename="camel"):
    exit_code: int = 0
    reason: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None


class State(msgspec.Struct, frozen=True):
    running: Running | None = None
    waiting: Waiting | None = None
    terminated: Terminated | None = None


class ContainerStatus(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    image_id: str = msgspec.field(default="", name="imageID")
    container_id: str = msgspec.field(default="", name="containerID")
    ready: bool = False
    restart_count: int = 0
    state: State = State()
    last_state: State = State()


class Condition(msgspec.Struct, frozen=True, rename="camel"):
    type: str
    status: str = "Unknown"
    reason: str = ""
    message: str = ""
    last_transition_time: datetime | None = None


class PodStatus(msgspec.Struct, frozen=True, rename="camel"):
    phase: str = ""
    qos_class: str = ""
    pod_ip: str = msgspec.field(default="", name="podIP")
    start_time: datetime | None = None
    conditions: tuple[Condition, ...] | None = None
    container_statuses: tuple[ContainerStatus, ...] | None = None
    init_container_statuses: tuple[ContainerStatus, ...] | None = None
    ephemeral_container_statuses: tuple[ContainerStatus, ...] | None = None
    resize: str = ""


class Pod(msgspec.Struct, frozen=True):
    metadata: Meta
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    def condition(self, kind: str) -> Condition | None:
        return next((one for one in self.status.conditions or () if one.type == kind), None)


class BriefContainer(msgspec.Struct, frozen=True):
    resources: Resources = Resources()


class BriefSpec(msgspec.Struct, frozen=True, rename="camel"):
    node_name: str = ""
    containers: tuple[BriefContainer, ...] = ()


class BriefStatus(msgspec.Struct, frozen=True):
    phase: str = ""


class BriefMeta(msgspec.Struct, frozen=True):
    name: str
    namespace: str = ""


class BriefPod(msgspec.Struct, frozen=True):
    """What it asks of its node: enough of a stranger's pod, and cheap for thousands."""

    metadata: BriefMeta
    spec: BriefSpec = BriefSpec()
    status: BriefStatus = BriefStatus()


class Taint(msgspec.Struct, frozen=True):
    key: str
    value: str = ""
    effect: str = ""


class NodeSpec(msgspec.Struct, frozen=True):
    unschedulable: bool = False
    taints: tuple[Taint, ...] | None = None


class Image(msgspec.Struct, frozen=True, rename="camel"):
    names: tuple[str, ...] | None = None
    size_bytes: int = 0


class NodeInfo(msgspec.Struct, frozen=True, rename="camel"):
    kubelet_version: str = ""
    kernel_version: str = ""
    architecture: str = ""
    container_runtime_version: str = ""


class NodeAddress(msgspec.Struct, frozen=True):
    type: str = ""
    address: str = ""


class NodeStatus(msgspec.Struct, frozen=True, rename="camel"):
    addresses: tuple[NodeAddress, ...] | None = None
    capacity: Quantities | None = None
    allocatable: Quantities | None = None
    conditions: tuple[Condition, ...] | None = None
    images: tuple[Image, ...] | None = None
    node_info: NodeInfo = NodeInfo()


class Node(msgspec.Struct, frozen=True):
    metadata: Meta
    spec: NodeSpec = NodeSpec()
    status: NodeStatus = NodeStatus()


class ServicePort(msgspec.Struct, frozen=True, rename="camel"):
    port: int
    name: str = ""
    protocol: str = "TCP"
    target_port: int | str = ""
    app_protocol: str = ""


class ServiceSpec(msgspec.Struct, frozen=True, rename="camel"):
    type: str = "ClusterIP"
    cluster_ip: str = msgspec.field(default="", name="clusterIP")
    selector: dict[str, str] | None = None
    ports: tuple[ServicePort, ...] | None = None
    session_affinity: str = "None"
    traffic_distribution: str = ""
    external_traffic_policy: str = ""
    internal_traffic_policy: str = "Cluster"
    external_name: str = ""
    publish_not_ready_addresses: bool = False


class Service(msgspec.Struct, frozen=True):
    metadata: Meta
    spec: ServiceSpec = ServiceSpec()


class ConfigMap(msgspec.Struct, frozen=True):
    metadata: Meta
    data: dict[str, str] | None = None


class QuotaStatus(msgspec.Struct, frozen=True):
    hard: Quantities | None = None
    used: Quantities | None = None


class ResourceQuota(msgspec.Struct, frozen=True):
    metadata: Meta
    status: QuotaStatus = QuotaStatus()


class Limit(msgspec.Struct, frozen=True):
    type: str = ""
    default: Quantities | None = None


class LimitRangeSpec(msgspec.Struct, frozen=True):
    limits: tuple[Limit, ...] | None = None


class LimitRange(msgspec.Struct, frozen=True):
    metadata: Meta
    spec: LimitRangeSpec = LimitRangeSpec()


class Namespace(msgspec.Struct, frozen=True):
    metadata: Meta

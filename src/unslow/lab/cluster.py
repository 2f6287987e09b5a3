"""The shop in a Kubernetes cluster: deploys it, changes its faults while it runs, and removes everything.

Server-side apply of the whole shop each time: what a fault had changed goes back by itself.
"""

from __future__ import annotations

import copy
import shlex
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType

import msgspec

from unslow.errors import CannotLook, Unavailable
from unslow.kube.client import APPLY, Client
from unslow.kube.config import load
from unslow.kube.core import Pod, Service
from unslow.kube.errors import ApiError
from unslow.kube.execute import execute
from unslow.kube.logs import log_lines
from unslow.lab.cluster_faults import CLUSTER_DNS, ClusterFault
from unslow.lab.cluster_objects import FILES, PART_OF, Object, in_namespace, path, read
from unslow.runbook.keeper import Keeper, Undo

MANAGER = "unslow-lab"
READY_S = 240.0
GONE_S = 90.0
ROUTED_S = 20.0
POLL_S = 1.0
NAMESPACE = "ai-coding-bench"
IMAGES = "lab/"
ASIDE = {"/products": 0.05, "/health": 0.05}
INDEX = "CREATE INDEX IF NOT EXISTS orders_by_customer ON orders (customer_id, created)"
NO_INDEX = "DROP INDEX IF EXISTS orders_by_customer"
FILL_CACHE = (
    "import os,redis;c=redis.Redis.from_url(os.environ['REDIS_URL']);c.flushall();p=c.pipeline();"
    "[p.set(f'summary:{n}','{\"count\": 200, \"sum\": 97600}',ex=36000) for n in range(1,401)];p.execute()"
)
_NO_IMAGE = ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName")
HEALTHY = ClusterFault(title="nothing is wrong", causes=())


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    ready_replicas: int = 0


class _Spec(msgspec.Struct, frozen=True):
    replicas: int = 1


class _Meta(msgspec.Struct, frozen=True):
    name: str = ""
    generation: int = 0
    labels: dict[str, str] | None = None


class _Deployment(msgspec.Struct, frozen=True):
    metadata: _Meta = _Meta()
    spec: _Spec = _Spec()
    status: _Status = _Status()

    @property
    def is_rolled_out(self) -> bool:
        status, wanted = self.status, self.spec.replicas
        return (
            status.observed_generation >= self.metadata.generation
            and status.updated_replicas == status.replicas == status.ready_replicas == wanted
        )


class _Any(msgspec.Struct, frozen=True):
    metadata: _Meta = _Meta()


class ClusterLab:
    """`with ClusterLab() as lab: lab.switch(fault)`; everything is gone afterwards.

    `enter` is the command that runs another one inside a node, for the faults of the network; without it those are
    `CannotLook`. `images`: what stands before the names of the shop's images. `keep` leaves the shop (not the fault) for the next run.
    """

    def __init__(
        self,
        *,
        kubeconfig: Path | None = None,
        context: str = "",
        namespace: str = NAMESPACE,
        enter: str = "",
        images: str = IMAGES,
        keep: bool = False,
        progress: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.namespace = namespace
        self.client = Client(load(kubeconfig, context, namespace))
        self._enter = shlex.split(enter)
        self._images = images
        self._keep = keep
        self._progress = progress
        self._shop = in_namespace(read(*FILES), namespace)
        self._visitors = in_namespace(read("visitors"), namespace)[0]
        self._applied: list[Object] = []
        self._rules: list[list[str]] = []
        self._made = False
        self._keeper = Keeper(self.client)
        self._promised: list[Undo] = []

    def __enter__(self) -> ClusterLab:
        try:
            self._refuse_foreign()
            self._promise_removal()
            self._apply(self._shop)
            self._wait(READY_S)
            self._database(INDEX)
            self._fill_cache()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def switch(self, fault: ClusterFault) -> None:
        """The shop with this fault and its visitors; ready to be looked at when this returns."""
        self._restore()
        self._progress(f"making it so: {fault.title}")
        self._database(NO_INDEX if fault.without_index else INDEX)
        objects = copy.deepcopy(self._shop)
        fault.edit(objects)
        if fault.pause:
            self._half(objects)
        else:
            self._apply(objects)
            if fault.ready:
                self._wait(READY_S)
        self._fill_cache()
        self._add_rules(fault)
        self.visit(fault)
        time.sleep(fault.settle_s)

    def visit(self, fault: ClusterFault) -> None:
        """Visitors in a Job that ends by itself."""
        self._stop_visitors()
        job = copy.deepcopy(self._visitors)
        job["metadata"]["name"] = f"visitors-{int(time.time())}"
        rates = {
            "/orders": fault.rate,
            **{route: fault.rate * share for route, share in ASIDE.items()},
            **dict(fault.also),
        }
        words = [f"{route}={rate:g}" for route, rate in rates.items()]
        container = job["spec"]["template"]["spec"]["containers"][0]
        container["image"] = container["image"].replace(IMAGES, self._images, 1)
        container["command"] = [*container["command"][:4], *words]
        self._create(job)

    def seen(self, route: str, since_s: float) -> tuple[float, int, int]:
        """What the visitors saw since then: mean in ms of those answered, their number, and how many failed."""
        times, failed = [], 0
        labels = "app=visitors"
        for pod in self.client.items(f"/api/v1/namespaces/{self.namespace}/pods", Pod, labels=labels):
            try:
                lines = list(log_lines(self.client, self.namespace, pod.metadata.name, "visitors", since_s=since_s))
            except Unavailable:
                continue  # one that goes or comes
            for row in (line.text.split() for line in lines):
                if len(row) == 4 and row[2] == route and float(row[0]) >= since_s:
                    if row[3] == "1":
                        times.append(float(row[1]) * 1e3)
                    else:
                        failed += 1
        return (sum(times) / len(times) if times else 0.0), len(times), failed

    def close(self) -> None:
        """Removes the shop, and waits until it is gone; with `keep` only the fault."""
        try:
            self._remove_rules()
            if not self._made:
                return
            self._stop_visitors()
            if self._keep:
                self._restore()
                return
            try:
                for undo in self._promised:
                    self._keeper.undo(undo)
            except Unavailable as error:
                raise CannotLook(
                    error.missing, "a process goes on trying to remove the shop; see kubectl get ns"
                ) from error
            self._until(GONE_S, lambda: self._is_gone(f"/api/v1/namespaces/{self.namespace}"), "the namespace's end")
        finally:
            self._keeper.close()
            self.client.close()

    def _promise_removal(self) -> None:
        """Also when we are killed: what has no namespace, then the namespace with all that is in it."""
        if self._keep:
            return
        paths = [path(found) for found in self._shop if found["kind"].startswith("Cluster")]
        for where in (*paths, f"/api/v1/namespaces/{self.namespace}"):
            self._promised.append(self._keeper.promise(Undo(id=where, path=where)))

    def _refuse_foreign(self) -> None:
        """A namespace that we did not make is left alone: at the end ours is removed with all that is in it."""
        try:
            found = self.client.get(f"/api/v1/namespaces/{self.namespace}", _Any).metadata
        except ApiError as error:
            if error.code == 404:
                self._made = True
                return
            raise CannotLook(error.missing, error.remedy) from error
        if (found.labels or {}).get(PART_OF) != "shop":
            raise CannotLook(f"namespace {self.namespace} is not the shop's own", "give another --namespace")
        self._made = True

    def _restore(self) -> None:
        self._stop_visitors()
        self._remove_rules()
        names = {path(found) for found in self._shop}
        for found in self._applied:
            if path(found) not in names:
                self._delete(path(found))
        self._apply(self._shop)
        self._wait(READY_S)

    def _apply(self, objects: Sequence[Object]) -> None:
        address = self._dns_address() if any(CLUSTER_DNS in str(found) for found in objects) else ""
        for found in objects:
            text = msgspec.json.encode(found).replace(CLUSTER_DNS.encode(), address.encode())
            body = msgspec.json.decode(
                text.replace(b'"image":"' + IMAGES.encode(), b'"image":"' + self._images.encode())
            )
            self.client.patch(
                path(found),
                body,
                _Any,
                kind=APPLY,
                asked=f"apply {found['kind']} {found['metadata']['name']}",
                parameters={"fieldManager": MANAGER, "force": "true"},
            )
        self._applied = list(objects)

    def _half(self, objects: list[Object]) -> None:
        """Apply, and pause the rollout when its first pod is ready."""
        orders = next(one for one in objects if one["kind"] == "Deployment" and one["metadata"]["name"] == "orders")
        orders["spec"]["strategy"] = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}, "type": "RollingUpdate"}
        orders["spec"]["minReadySeconds"] = 20
        self._apply(objects)
        self._until(READY_S, lambda: self._deployment(path(orders)).status.updated_replicas >= 1, "a first new pod")
        orders["spec"]["paused"] = True
        self._apply(objects)

    def _create(self, found: Object) -> None:
        parent = path(found).rpartition("/")[0]
        self.client.post(parent, found, _Any, asked=f"create {found['kind']} {found['metadata']['name']}")

    def _delete(self, where: str) -> None:
        try:
            self.client.delete(where)
        except ApiError as error:
            if error.code not in {404, 409}:
                raise

    def _deployment(self, where: str) -> _Deployment:
        return self.client.get(where, _Deployment)

    def _wait(self, seconds: float) -> None:
        self._progress("waiting until the shop is ready")
        paths = [path(found) for found in self._applied if found["kind"] == "Deployment"]
        self._until(seconds, lambda: self._is_rolled_out(paths), "the shop's pods")

    def _is_rolled_out(self, paths: Sequence[str]) -> bool:
        if all(self._deployment(one).is_rolled_out for one in paths):
            return True
        for pod in self.client.items(f"/api/v1/namespaces/{self.namespace}/pods", Pod):
            for one in pod.status.container_statuses or ():
                if one.state.waiting is not None and one.state.waiting.reason in _NO_IMAGE:
                    raise CannotLook(
                        f"the cluster has no image for container {one.name}",
                        "build the Dockerfiles of deploy/lab and push them where the nodes can pull them: --images PREFIX",
                    )
        return False

    def _is_gone(self, where: str) -> bool:
        try:
            self.client.get(where, _Any)
        except ApiError as error:
            return error.code == 404
        return False

    def _until(self, seconds: float, reached: Callable[[], bool], what: str) -> None:
        until = time.monotonic() + seconds
        while not reached():
            if time.monotonic() > until:
                raise CannotLook(f"{what} did not come within {seconds:.0f} s", "see the events of the namespace")
            time.sleep(POLL_S)

    def _pods(self, app: str) -> list[Pod]:
        path_ = f"/api/v1/namespaces/{self.namespace}/pods"
        found = self.client.items(path_, Pod, labels=f"app={app}", fields="status.phase=Running")
        return [one for one in found if one.metadata.deletion_timestamp is None]

    def _inside(self, app: str, *command: str) -> None:
        """Tried again for a while: a service leads nowhere until each node's proxy knows its ready pods."""
        until = time.monotonic() + ROUTED_S
        while True:
            pod = self._pods(app)[0].metadata.name
            result = execute(self.client, self.namespace, pod, command, container=app, seconds=60.0)
            if result.ok:
                return
            if time.monotonic() > until:
                said = result.stderr.decode(errors="replace").strip().splitlines() or ["nothing was said"]
                raise CannotLook(f"{command[0]} in {pod}: {said[-1]}", "see the log and the events of that pod")
            time.sleep(POLL_S)

    def _database(self, statement: str) -> None:
        self._inside("postgres", "psql", "-h", "/tmp", "-U", "shop", "-d", "postgres", "-qc", statement)

    def _fill_cache(self) -> None:
        self._inside("orders", "python3", "-c", FILL_CACHE)

    def _dns_address(self) -> str:
        found = self.client.get("/api/v1/namespaces/kube-system/services/kube-dns", Service)
        return found.spec.cluster_ip

    def _stop_visitors(self) -> None:
        jobs = f"/apis/batch/v1/namespaces/{self.namespace}/jobs"
        try:
            names = [one.metadata.name for one in self.client.items(jobs, _Any, labels="app=visitors")]
        except Unavailable:
            names = []
        for name in names:
            self._delete(f"{jobs}/{name}")

    def _add_rules(self, fault: ClusterFault) -> None:
        if not fault.rules_for:
            return
        if not self._enter:
            raise CannotLook("a command that runs others inside a node", "give --enter, such as 'ssh node-1 sudo'")
        addresses = [pod.status.pod_ip for pod in self._pods(fault.rules_for) if pod.status.pod_ip]
        for rule in fault.rules(addresses):
            self._rules.append(rule)
            subprocess.run([*self._enter, "iptables", "-I", *rule], check=True)

    def _remove_rules(self) -> None:
        while self._rules:
            subprocess.run([*self._enter, "iptables", "-D", *self._rules.pop()], check=False)

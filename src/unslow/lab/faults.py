"""The faults: each a different way to deploy, load or disturb the same shop."""

from __future__ import annotations

from dataclasses import dataclass, field


class FaultUnavailable(Exception):
    """This machine cannot make the fault; the message says what it would need."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What differs from the healthy shop; nothing in it reaches the diagnosis by name."""

    title: str
    options: tuple[str, ...] = ()
    """Switches of the orders service."""
    workers: tuple[str, ...] | None = None
    """Gunicorn's arguments; None: the usual ones."""
    rate: float | None = None
    """Requests a second of the load; None: the usual rate."""
    crowded: bool = False
    """The rate is raised from there until requests queue: where that begins depends on the machine."""
    payments: dict[str, str] = field(default_factory=dict)
    """Environment of the payments service."""
    disturbers: tuple[str, ...] = ()
    """Processes beside the shop (`disturb.py`)."""
    without_index: bool = False
    relay_s: float = 0.0
    """Delay of each direction between orders and payments."""
    slow_names: bool = False
    quota_cores: float | None = None
    path: str = "/orders"
    """The route that is diagnosed."""
    also: dict[str, float] = field(default_factory=dict)
    """Further routes in the traffic, with their requests a second."""
    parts: tuple[str, ...] = ()
    """Timers of the application in which its milliseconds are (`truth.py`)."""


FAULTS: dict[str, Fault] = {
    "none": Fault(title="nothing is wrong"),
    "missing_index": Fault(
        title="orders of a customer are found by reading the whole table",
        without_index=True,
        rate=5.0,
        parts=("listing",),
    ),
    "n_plus_one": Fault(
        title="each order's product is loaded by a query of its own",
        options=("lazy",),
        rate=4.0,
        parts=("listing", "products"),
    ),
    "lock_wait": Fault(
        title="another transaction holds the customers' rows",
        options=("count_visits",),
        disturbers=("hold_rows",),
        parts=("visit",),
    ),
    "pool_exhausted": Fault(
        title="one database connection for sixteen threads, held while payments are asked",
        options=("one_connection",),
        workers=("--worker-class", "gthread", "--workers", "1", "--threads", "16"),
        rate=30.0,
        crowded=True,
        parts=("connection",),
    ),
    "slow_downstream": Fault(
        title="the payments service is slow", payments={"PAYMENTS_DELAY_S": "0.085"}, parts=("payment",)
    ),
    "retry_storm": Fault(
        title="calls to payments time out and are made again",
        options=("impatient",),
        payments={"PAYMENTS_STALL_S": "0.15"},
        rate=8.0,
        parts=("payment",),
    ),
    "workers_saturated": Fault(
        title="one sync worker for the usual traffic",
        workers=("--worker-class", "sync", "--workers", "1"),
        rate=30.0,
        crowded=True,
        parts=("queue",),
    ),
    "slow_client_blocks_worker": Fault(
        title="slow clients hold the sync workers",
        workers=("--worker-class", "sync", "--workers", "3"),
        disturbers=("slow_clients",),
        rate=12.0,
        parts=("queue",),
    ),
    "hot_function": Fault(
        title="a function of the application computes", options=("discounts",), rate=4.0, parts=("pricing",)
    ),
    "slow_library": Fault(title="a serializer computes", options=("pretty",), rate=4.0, parts=("export",)),
    "gil_contention": Fault(
        title="threads beside the requests compute", options=("recount",), rate=8.0, parts=("request", "queue")
    ),
    "cpu_throttled": Fault(
        title="a CPU quota stops the workers", quota_cores=0.055, rate=5.0, parts=("request", "queue")
    ),
    "gc_pauses": Fault(
        title="full garbage collections in the requests", options=("careful_memory",), rate=5.0, parts=("memory",)
    ),
    "cache_cold": Fault(
        title="the cache is emptied all the time", disturbers=("empty_cache",), rate=6.0, parts=("summary",)
    ),
    "redis_slow": Fault(
        title="somebody lists all keys of the cache", disturbers=("list_keys",), rate=10.0, parts=("summary",)
    ),
    "connection_churn": Fault(
        title="each query opens a connection of its own", options=("unpooled",), rate=5.0, parts=("connection",)
    ),
    "dns_slow": Fault(title="the first name server does not answer", slow_names=True, rate=5.0, parts=("payment",)),
    "network_slow": Fault(title="the way to payments is slow", relay_s=0.04, parts=("payment",)),
    "sync_logging": Fault(
        title="each log line waits for a slow collector",
        options=("remote_log",),
        disturbers=("slow_collector",),
        rate=6.0,
        parts=("log",),
    ),
    # So few that the threads which they hold are not missed: a queue would be a cause of its own.
    "long_poll": Fault(
        title="a route that waits by design", path="/orders/updates", rate=10.0, also={"/orders/updates": 1.0}
    ),
    "traffic_surge": Fault(title="much more traffic than usual", rate=420.0, parts=("request", "queue")),
}


def merged(faults: list[Fault]) -> Fault:
    """Two faults at once: switches add up, the lower rate wins."""
    if not faults:
        return FAULTS["none"]
    rates = [fault.rate for fault in faults if fault.rate is not None]
    return Fault(
        title=" and ".join(fault.title for fault in faults),
        options=tuple(option for fault in faults for option in fault.options),
        workers=next((fault.workers for fault in faults if fault.workers), None),
        rate=min(rates) if rates else None,
        crowded=any(fault.crowded for fault in faults),
        payments={name: value for fault in faults for name, value in fault.payments.items()},
        disturbers=tuple(kind for fault in faults for kind in fault.disturbers),
        without_index=any(fault.without_index for fault in faults),
        relay_s=max(fault.relay_s for fault in faults),
        slow_names=any(fault.slow_names for fault in faults),
        quota_cores=next((fault.quota_cores for fault in faults if fault.quota_cores), None),
        path=faults[0].path,
        also={route: rate for fault in faults for route, rate in fault.also.items()},
    )

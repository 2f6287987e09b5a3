"""The mesh's proxies add time to every request.

Signature   the proxy's duration minus the application's, measured on the same requests; a proxy at its CPU limit
Look-alike  a proxy that only waits for a slow application; retries of the mesh: the called service fails
Blind to    proxies that nobody scrapes
Reference   a sidecar costs a millisecond or so; tens of them mean it lacks CPU or retries
"""

from __future__ import annotations

from unslow.evidence.cluster import Mesh, Pods
from unslow.finding import Clear, Finding, Skipped
from unslow.measure.account import Account
from unslow.measure.cluster_claims import behind
from unslow.measure.significance import ms

THROTTLED = 0.05
NEAR_LIMIT = 0.9
LEAST_REQUESTS = 20.0
MUCH_S = 0.01
"""Of a request in the proxies: several times what they need."""


def check(pods: Pods, mesh: Mesh | None = None, account: Account | None = None) -> Finding | Clear | Skipped:
    if mesh is None:
        helpers = [one for pod in pods.live for one in pod.containers if one.sidecar]
        return Skipped("mesh") if helpers else Clear(f"0 sidecars in {len(pods.live)} pods")
    measured = _measured(mesh)
    starved = _starved(mesh)
    own = behind(account, "mesh")
    around = _around(mesh, account)
    if not own.claims and not starved and not around:
        timed = mesh.proxy_mean_s is not None or mesh.proxy_cores is not None
        return Clear(f"{measured or f'{mesh.kind} {mesh.version}'}; {own.words}") if timed else Skipped("mesh")
    return Finding(
        title=f"the {mesh.kind} proxies slow requests down",
        because=f"{'; '.join(words for words in (measured, starved) if words)}; {around or own.words}",
        place=f"{mesh.kind} proxy",
        claims=own.claims,
        confidence=0.85 if own.claims and starved else 0.75 if own.claims else 0.5 if around else 0.4,
        next_steps=(
            "give the proxy more CPU (proxyCPULimit) and compare its duration with the application's again",
            "look at retries and filters of this route: each retry is a request more",
        ),
        fixes=("raise_proxy_cpu",),
        evidence=("mesh",),
    )


def _around(mesh: Mesh, account: Account | None) -> str:
    """Words for much time in the proxies that the account cannot hold: whoever asks inside the pod meets no proxy."""
    counted = mesh.proxy_requests >= LEAST_REQUESTS and (mesh.proxy_mean_s or 0.0) >= MUCH_S
    if not counted or (account and account.of_kind("mesh")):
        return ""
    return "the requests that unslow timed went around them, so 0 ms of the account are theirs"


def _measured(mesh: Mesh) -> str:
    words = []
    if mesh.proxy_mean_s is not None and mesh.proxy_requests >= LEAST_REQUESTS:
        words.append(f"its proxies take {ms(mesh.proxy_mean_s)} a request over {mesh.proxy_requests:.0f} requests")
    if mesh.retries_per_s:
        words.append(f"{mesh.retries_per_s:.1f} retries/s")
    if mesh.overflow_per_s:
        words.append(f"{mesh.overflow_per_s:.1f} requests/s refused by its circuit breaker")
    return "; ".join(words)


def _starved(mesh: Mesh) -> str:
    if (mesh.proxy_throttled_ratio or 0.0) >= THROTTLED:
        return f"the proxy is throttled in {mesh.proxy_throttled_ratio or 0.0:.0%} of its periods"
    if (
        mesh.proxy_cores is not None
        and mesh.proxy_limit_cores
        and mesh.proxy_cores >= NEAR_LIMIT * mesh.proxy_limit_cores
    ):
        return f"the proxy uses {mesh.proxy_cores:.2f} of its {mesh.proxy_limit_cores:.2f} cores"
    return ""

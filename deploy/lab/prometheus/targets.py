"""Writes Prometheus' targets: annotated pods of this namespace, and the nodes' kubelets.

Debian's Prometheus is built without the discovery of Kubernetes; this asks the API server in its place.
"""

import json
import os
import ssl
import time
import urllib.request
from pathlib import Path

OWN = Path("/var/run/secrets/kubernetes.io/serviceaccount")
SERVER = f"https://{os.environ['KUBERNETES_SERVICE_HOST']}:{os.environ['KUBERNETES_SERVICE_PORT']}"
OUT = Path("/targets")


def ask(path):
    headers = {"Authorization": f"Bearer {(OWN / 'token').read_text()}"}
    context = ssl.create_default_context(cafile=str(OWN / "ca.crt"))
    request = urllib.request.Request(SERVER + path, headers=headers)
    with urllib.request.urlopen(request, timeout=10, context=context) as answer:
        return json.load(answer)["items"]


def pods(namespace):
    for pod in ask(f"/api/v1/namespaces/{namespace}/pods"):
        meta, status = pod["metadata"], pod["status"]
        notes, labels = meta.get("annotations", {}), meta.get("labels", {})
        if notes.get("prometheus.io/scrape") == "true" and status.get("podIP") and status.get("phase") == "Running":
            names = {"namespace": namespace, "pod": meta["name"], "service": labels.get("app", "")}
            yield {"targets": [f"{status['podIP']}:{notes['prometheus.io/port']}"], "labels": names}


def nodes():
    for node in ask("/api/v1/nodes"):
        for address in node["status"].get("addresses", ()):
            if address["type"] == "InternalIP":
                yield {"targets": [f"{address['address']}:10250"], "labels": {"node": node["metadata"]["name"]}}


def write(name, targets):
    beside = OUT / f".{name}"
    beside.write_text(json.dumps(list(targets)))
    beside.rename(OUT / name)


while True:
    try:
        write("pods.json", pods((OWN / "namespace").read_text()))
        write("nodes.json", nodes())
    except OSError as error:
        print(error, flush=True)
    time.sleep(5)

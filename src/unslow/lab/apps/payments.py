"""The payment service: says how a customer's payments stand."""

from __future__ import annotations

import os
import random
import time

import requests
from flask import Flask, Response, jsonify

app = Flask(__name__)
DELAY_S = float(os.environ.get("PAYMENTS_DELAY_S", "0.012"))
LEDGER = os.environ.get("LEDGER_URL", "")
"""Without one it knows by itself."""
STALL_S = float(os.environ.get("PAYMENTS_STALL_S", "0"))


@app.get("/state/<int:customer>")
def state(customer: int) -> Response:
    time.sleep(STALL_S if STALL_S and random.random() < 0.55 else DELAY_S)
    if LEDGER:
        requests.get(f"{LEDGER}/entries/{customer}", timeout=10).raise_for_status()
    return jsonify(customer=customer, state="paid")


if os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
    from tracing import trace

    trace(app, "payments")

"""The ledger: what was paid, for the payment service."""

from __future__ import annotations

import os
import time

from flask import Flask, Response, jsonify

app = Flask(__name__)
DELAY_S = float(os.environ.get("LEDGER_DELAY_S", "0.004"))


@app.get("/entries/<int:customer>")
def entries(customer: int) -> Response:
    time.sleep(DELAY_S)
    return jsonify(customer=customer, entries=3)


if os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
    from tracing import trace

    trace(app, "ledger")

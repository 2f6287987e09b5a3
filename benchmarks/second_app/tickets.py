"""The ticket office: a service of its own that the museum asks."""

from __future__ import annotations

import os
import time

from flask import Flask, jsonify

app = Flask(__name__)
DELAY_S = float(os.environ.get("OFFICE_DELAY_S", "0.002"))


@app.get("/left/<int:room>")
def left(room: int) -> object:
    time.sleep(DELAY_S)
    return jsonify(left=500 - room % 100)

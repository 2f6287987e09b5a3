"""The visitors' journal, and the nightly inventory that some deployments run by day."""

from __future__ import annotations

import logging
import threading
import time

from flask import Flask


class TapeHandler(logging.Handler):
    """Writes each line to a device that takes its time."""

    def emit(self, record: logging.LogRecord) -> None:
        self.format(record)
        time.sleep(0.06)


def set_up(app: Flask) -> None:
    log = logging.getLogger("museum.visits")
    log.setLevel(logging.INFO)
    log.addHandler(TapeHandler() if "tape" in app.config["MODE"] else logging.NullHandler())
    if "inventory" in app.config["MODE"]:
        for _ in range(2):
            threading.Thread(target=take_inventory, daemon=True).start()


def take_inventory() -> None:
    seen: dict[int, int] = {}
    number = 1
    while True:
        number = (number * 48271) % 2147483647
        seen[number % 1000] = number

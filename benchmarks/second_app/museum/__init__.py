"""A museum's catalogue: an application factory with blueprints, raw psycopg, no ORM.

It shares nothing with the demonstration shop, so that a rule that knows the shop fails here.
What is switched on comes from the environment (`MUSEUM_MODE`), as a deployment's settings would.
"""

from __future__ import annotations

import os

from flask import Flask
from psycopg_pool import ConnectionPool


def create_app() -> Flask:
    app = Flask(__name__)
    app.config["MODE"] = frozenset(os.environ.get("MUSEUM_MODE", "").split(","))
    app.config["TICKETS"] = os.environ["TICKET_OFFICE"]
    dsn = os.environ["MUSEUM_DB"]
    app.config["DSN"] = dsn
    size = 1 if "small_pool" in app.config["MODE"] else 8
    app.extensions["pool"] = ConnectionPool(dsn, min_size=size, max_size=size, timeout=20, open=True)
    from museum import journal
    from museum.catalogue import catalogue

    journal.set_up(app)
    app.register_blueprint(catalogue, url_prefix="/v1")
    return app

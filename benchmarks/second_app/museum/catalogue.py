"""The catalogue's routes."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from random import randint
from typing import Any
from urllib.request import urlopen

import psycopg
from flask import Blueprint, current_app, jsonify

from museum.appraisal import appraise

catalogue = Blueprint("catalogue", __name__)
log = logging.getLogger("museum.visits")


@contextmanager
def connection() -> Iterator[psycopg.Connection[Any]]:
    if "no_pool" in current_app.config["MODE"]:
        with psycopg.connect(current_app.config["DSN"]) as fresh:
            yield fresh
    else:
        with current_app.extensions["pool"].connection() as pooled:
            yield pooled


@catalogue.get("/rooms/<int:room>/exhibits")
def exhibits(room: int) -> Any:
    mode = current_app.config["MODE"]
    if "no_pool" in mode:
        for _ in range(12):
            with connection() as conn:
                conn.execute("SELECT name FROM rooms WHERE id = %s", (room,)).fetchone()
    with connection() as conn:
        rows = conn.execute(
            "SELECT id, title, artist_id, value FROM exhibits WHERE room_id = %s ORDER BY acquired DESC LIMIT 40",
            (randint(1, 2000),),
        ).fetchall()
        names = artists(conn, [row[2] for row in rows], one_by_one="chatty" in mode)
        if "visits" in mode:
            conn.execute("UPDATE rooms SET visits = visits + 1 WHERE id = %s", (randint(1, 5),))
        left = tickets_left(room) if "small_pool" in mode else None
    left = tickets_left(room) if left is None else left
    worth = appraise([row[3] for row in rows], careful="careful" in mode)
    log.info("room %s shown, %s tickets left", room, left)
    return jsonify(room=room, worth=worth, tickets=left, exhibits=[[r[1], names.get(r[2])] for r in rows])


def artists(conn: psycopg.Connection[Any], ids: list[int], *, one_by_one: bool) -> dict[int, str]:
    if not one_by_one:
        found = conn.execute("SELECT id, name FROM artists WHERE id = ANY(%s)", (ids,)).fetchall()
        return dict(found)
    names = {}
    for _ in range(32):
        for artist in ids:
            row = conn.execute("SELECT id, name FROM artists WHERE id = %s", (artist,)).fetchone()
            if row:
                names[row[0]] = row[1]
    return names


def tickets_left(room: int) -> int:
    with urlopen(f"{current_app.config['TICKETS']}/left/{room}", timeout=10) as answer:
        return int(json.load(answer)["left"])


@catalogue.get("/health")
def health() -> Any:
    return jsonify(ok=True, threads=threading.active_count())

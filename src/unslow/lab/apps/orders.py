"""The shop's API: orders of a customer, with their payment state."""

from __future__ import annotations

import gc
import json
import logging
import os
import random
import socket
import threading
import time
from pathlib import Path
from typing import Any

import redis
import requests
from flask import Flask, Response, g, jsonify, request
from prometheus_client import CollectorRegistry, Histogram, generate_latest, multiprocess
from sqlalchemy import ForeignKey, NullPool, create_engine, event, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, object_session, relationship
from stopwatch import Stopwatch  # type: ignore[import-not-found]  # it lies beside this file where it runs

OPTIONS = frozenset(os.environ.get("SHOP_OPTIONS", "").split(","))
PAYMENTS = os.environ["PAYMENTS_URL"]
CUSTOMERS = 400

app = Flask(__name__)
watch = Stopwatch(Path(os.environ["SHOP_TIMES"]))
log = logging.getLogger("shop")
log.setLevel(logging.INFO)
log.propagate = False
cache = redis.Redis.from_url(os.environ["REDIS_URL"])
pool: dict[str, Any] = {"pool_size": 10, "max_overflow": 0, "pool_timeout": 20}
if "one_connection" in OPTIONS:
    pool = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 20}
if "unpooled" in OPTIONS:
    pool = {"poolclass": NullPool}
engine = create_engine(os.environ["DATABASE_URL"], **pool)
DURATION = Histogram(
    "http_request_duration_seconds",
    "Time to answer a request.",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)


LARGE_ORDERS = text("SELECT count(*) FROM orders WHERE customer_id = :id AND amount > :least")
COUNT_VISIT = text("UPDATE customers SET visits = visits + 1 WHERE id = :id")
SUMMARY = text("SELECT count(*), sum(amount) FROM orders WHERE amount % 7 <> :rest")
EXPORT = [dict(enumerate(map(str, range(30))))]


class Base(DeclarativeBase):
    pass


class Customer(Base):
    __tablename__ = "customers"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    visits: Mapped[int]


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    customer_id: Mapped[int]
    created: Mapped[int]
    amount: Mapped[int]
    product_id: Mapped[int] = mapped_column(ForeignKey("products.id"))
    product: Mapped[Product] = relationship(lazy="select")


class Product(Base):
    __tablename__ = "products"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return json.dumps({"ts": record.created, "level": record.levelname, "msg": record.getMessage()})


class RemoteHandler(logging.Handler):
    """Sends each line to a collector and waits until it has it."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self._port = port

    def emit(self, record: logging.LogRecord) -> None:
        with socket.create_connection(("127.0.0.1", self._port), timeout=10) as line:
            line.sendall(self.format(record).encode() + b"\n")
            line.recv(2)


def set_up_logging() -> None:
    handler: logging.Handler = logging.FileHandler(os.environ["SHOP_LOG"])
    if "remote_log" in OPTIONS:
        handler = RemoteHandler(int(os.environ["LOG_PORT"]))
    handler.setFormatter(JsonLines())
    log.addHandler(handler)


@event.listens_for(engine, "before_cursor_execute")
def note_start(conn: Any, *_: Any) -> None:
    conn.info["started"] = time.perf_counter()


@event.listens_for(engine, "after_cursor_execute")
def note_slow(conn: Any, cursor: Any, statement: str, *_: Any) -> None:
    took_ms = (time.perf_counter() - conn.info["started"]) * 1e3
    if took_ms > 100:
        log.warning("slow query (%.0f ms): %s", took_ms, " ".join(statement.split()))


@app.before_request
def start_timer() -> None:
    g.started = time.perf_counter()


@app.after_request
def stop_timer(response: Response) -> Response:
    if request.url_rule is not None:
        labels = (request.method, request.url_rule.rule, str(response.status_code))
        DURATION.labels(*labels).observe(time.perf_counter() - g.started)
        if request.url_rule.endpoint == "orders":
            watch.add("request", time.perf_counter() - g.started)
    return response


@app.get("/health")
def health() -> Response:
    return jsonify(ok=True)


@app.get("/metrics")
def metrics() -> Response:
    if "no_metrics" in OPTIONS:
        return Response("not found", status=404)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry), mimetype="text/plain")


@app.get("/orders")
def orders() -> Response:
    customer_id = int(request.args.get("customer") or random.randint(1, CUSTOMERS))
    if "unpooled" in OPTIONS:
        check_features()
    with watch("summary"):
        summary = customer_summary(customer_id)
    with Session(engine, expire_on_commit=False) as session:
        with watch("connection"):
            session.connection()
        customer = session.get(Customer, customer_id)
        with watch("listing"):
            rows = recent_orders(session, customer_id)
            large = session.scalar(LARGE_ORDERS, {"id": customer_id, "least": 900})
        if "count_visits" in OPTIONS:
            with watch("visit"):
                session.execute(COUNT_VISIT, {"id": customer_id})
                session.commit()
        with watch("products"):
            listed = [[row.id, row.amount, product_name(row)] for row in rows]
        if "one_connection" in OPTIONS:
            payment = payment_state(customer_id)
    if "one_connection" not in OPTIONS:
        payment = payment_state(customer_id)
    if "discounts" in OPTIONS:
        with watch("pricing"):
            listed = price_discounts(listed)
    body = {
        "customer": customer.name if customer else "",
        "orders": listed,
        "large": large,
        "payment": payment,
        "summary": summary,
    }
    if "pretty" in OPTIONS:
        with watch("export"):
            body["export"] = len(json.dumps(EXPORT * 2600, indent=1))
    if "careful_memory" in OPTIONS:
        with watch("memory"):
            free_memory()
    with watch("log"):
        log.info("orders of customer %s listed", customer_id)
    return jsonify(body)


@app.get("/orders/updates")
def updates() -> Response:
    """Holds the request until something happens to an order, or three seconds have passed."""
    news = cache.blpop(["updates"], timeout=3)
    return jsonify(news=bool(news))


@app.get("/products")
def products() -> Response:
    with Session(engine) as session:
        names = session.scalars(select(Product.name).order_by(Product.id).limit(20)).all()
    return jsonify(list(names))


def customer_summary(customer_id: int) -> Any:
    key = f"summary:{customer_id}"
    known = cache.get(key)
    if known is not None:
        return json.loads(known)
    with engine.connect() as connection:
        total = connection.execute(SUMMARY, {"rest": customer_id % 7}).one()
    summary = {"count": int(total[0]), "sum": int(total[1] or 0)}
    cache.set(key, json.dumps(summary), ex=3600)
    return summary


def check_features() -> None:
    for _ in range(18):
        with watch("connection"):
            connection = engine.connect()
        with connection:
            connection.execute(text("SELECT 1"))


def recent_orders(session: Session, customer_id: int) -> list[Order]:
    statement = select(Order).where(Order.customer_id == customer_id).order_by(Order.created.desc())
    return list(session.scalars(statement.limit(200 if "lazy" in OPTIONS else 10)))


def product_name(order: Order) -> str:
    if "lazy" not in OPTIONS:
        return f"product {order.product_id}"
    session = object_session(order)
    replaced_by = session.get(Product, order.amount + 1001) if session else None
    return f"{order.product.name} ({replaced_by.name if replaced_by else 'current'})"


def payment_state(customer_id: int) -> str:
    with watch("payment"):
        if "impatient" in OPTIONS:
            return payment_with_retries(customer_id)
        return str(requests.get(f"{PAYMENTS}/state/{customer_id}", timeout=10).json()["state"])


def payment_with_retries(customer_id: int) -> str:
    for _ in range(4):
        try:
            return str(requests.get(f"{PAYMENTS}/state/{customer_id}", timeout=0.06).json()["state"])
        except requests.RequestException:
            time.sleep(0.005)
    return "unknown"


def price_discounts(listed: list[list[Any]]) -> list[list[Any]]:
    best = 0
    for level in range(2000):
        for _, amount, _ in listed:
            for share in range(24):
                best = max(best, (amount * share + level) % 1009)
    return [[*row, best] for row in listed]


ARCHIVE: list[Any] = []


def free_memory() -> None:
    gc.collect()


def recount_stock() -> None:
    stock: dict[int, int] = {}
    number = 1
    while True:
        number = number * 48271 % 2147483647
        stock[number % 4096] = number


set_up_logging()
if "careful_memory" in OPTIONS:
    ARCHIVE.extend({"id": number, "tags": [number]} for number in range(80_000))
if "recount" in OPTIONS:
    for _ in range(2):
        threading.Thread(target=recount_stock, daemon=True).start()
if os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
    from tracing import trace

    trace(app, "orders")

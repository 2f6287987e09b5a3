"""What happens around the shop: one small program, run as a process of its own for each disturbance."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import sys
import threading
import time


def hold_rows() -> None:
    """A long transaction on the customers, again and again."""
    import psycopg2

    connection = psycopg2.connect(os.environ["PLAIN_DSN"], application_name="month-end")
    cursor = connection.cursor()
    while True:
        cursor.execute("UPDATE customers SET visits = visits WHERE id <= 400")
        time.sleep(0.17)
        connection.commit()
        time.sleep(0.03)


def empty_cache() -> None:
    import redis

    client = redis.Redis.from_url(os.environ["REDIS_URL"])
    while True:
        client.flushall()
        time.sleep(0.02)


def list_keys() -> None:
    import redis

    client = redis.Redis.from_url(os.environ["REDIS_URL"])
    while True:
        if client.dbsize() < 1_500_000:  # at the start, and when somebody emptied it
            client.execute_command("DEBUG", "POPULATE", "2000000", "visit", "16")  # type: ignore[no-untyped-call]
        client.execute_command("KEYS", "cart:*")  # type: ignore[no-untyped-call]
        time.sleep(0.02)


def slow_clients() -> None:
    """Clients that come one by one, at no fixed pace, and take a third of a second to send their request."""
    chance = random.Random(5)
    while True:
        time.sleep(chance.expovariate(SLOW_CLIENTS_PER_S))
        threading.Thread(target=_trickle, daemon=True).start()


SLOW_CLIENTS_PER_S = 7.3


def _trickle() -> None:
    head = b"GET /health HTTP/1.1\r\nHost: shop\r\nX-Device: " + b"a" * 20 + b"\r\nConnection: close\r\n\r\n"
    port = int(os.environ["ORDERS_PORT"])
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        for start in range(0, len(head), 10):
            line.sendall(head[start : start + 10])
            time.sleep(0.035)
        line.recv(1000)


def slow_collector() -> None:
    """Acknowledges each log line after a while."""
    with socket.create_server(("127.0.0.1", int(os.environ["LOG_PORT"])), backlog=64) as server:
        while True:
            line, _ = server.accept()
            threading.Thread(target=_acknowledge, args=(line,), daemon=True).start()


def _acknowledge(line: socket.socket) -> None:
    with line:
        line.recv(65536)
        time.sleep(0.07)
        line.sendall(b"ok")


def relay() -> None:
    """Passes bytes on, each a while later."""
    delay_s, target = float(os.environ["RELAY_DELAY_S"]), int(os.environ["RELAY_TO"])
    address = (os.environ.get("RELAY_ADDRESS", "127.0.0.1"), int(os.environ["RELAY_PORT"]))
    with socket.create_server(address, backlog=64) as server:
        while True:
            near, _ = server.accept()
            far = socket.create_connection(("127.0.0.1", target))
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=_pass_on, args=(source, sink, delay_s), daemon=True).start()


def _pass_on(source: socket.socket, sink: socket.socket, delay_s: float) -> None:
    try:
        while data := source.recv(65536):
            time.sleep(delay_s)
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        sink.close()  # one side has gone: so does the other


def names() -> None:
    """A name server that answers every A question with 127.0.0.1."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((os.environ["NAMES_ADDRESS"], 53))
        while True:
            question, asker = server.recvfrom(512)
            end = question.index(b"\0", 12) + 5
            wants_v4 = question[end - 4 : end - 2] == b"\0\x01"
            answer = b"\xc0\x0c\0\x01\0\x01\0\0\0\0\0\x04\x7f\0\0\x01" if wants_v4 else b""
            count = b"\0\x01" if wants_v4 else b"\0\0"
            head = question[:2] + b"\x81\x80\0\x01" + count + b"\0\0\0\0"
            server.sendto(head + question[12:end] + answer, asker)


def silent_names() -> None:
    """A name server that hears the question and says nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((os.environ["SILENT_ADDRESS"], 53))
        while True:
            server.recvfrom(512)


KINDS = {
    each.__name__: each
    for each in (hold_rows, empty_cache, list_keys, slow_clients, slow_collector, relay, names, silent_names)
}

if __name__ == "__main__":
    KINDS[sys.argv[1]]()

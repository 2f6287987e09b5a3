from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import redis

from tests.collect.live import free_port
from tests.collect.postgres_server import redis_port
from unslow.collect.dsn import Candidate
from unslow.collect.redis import RedisReader, masked
from unslow.errors import Unavailable

__all__ = ["redis_port"]


def candidate(port: int, login: str = "") -> Candidate:
    return Candidate("redis", f"redis://{login}127.0.0.1:{port}/0", "given by the test", f"127.0.0.1:{port}")


@pytest.fixture
def client(redis_port: int) -> Iterator[redis.Redis]:
    with redis.Redis(port=redis_port) as client:
        client.flushall()
        client.config_resetstat()
        client.config_set("slowlog-log-slower-than", 10_000)
        client.slowlog_reset()
        yield client
        for user in ("weak", "half"):
            client.acl_deluser(user)


@pytest.mark.lab
def test_the_window_apart_from_the_life_before(client: redis.Redis, redis_port: int) -> None:
    client.set("a", "1")
    for _ in range(8):
        client.get("a")
    client.get("none")
    reader = RedisReader([candidate(redis_port)])
    reader.start()
    for _ in range(3):
        client.get("a")
    for _ in range(7):
        client.get("none")
    cache = reader.stop()
    assert (cache.hits, cache.misses) == (3, 7)
    assert (cache.lifetime_hits, cache.lifetime_misses) == (8, 1)
    assert cache.hit_ratio == pytest.approx(0.3)
    assert [(one.name, one.calls, one.lifetime_calls) for one in cache.commands] == [("get", 10, 9)]
    assert cache.keys == 1
    assert cache.version.startswith("6.")
    assert cache.ping_s is not None
    assert cache.ping_s > 0
    assert cache.used_memory_bytes > 0


@pytest.mark.lab
def test_a_slow_command_by_its_first_word_only(client: redis.Redis, redis_port: int) -> None:
    reader = RedisReader([candidate(redis_port)])
    reader.start()
    client.execute_command("DEBUG", "SLEEP", "0.03")  # type: ignore[no-untyped-call]
    cache = reader.stop()
    assert [(slow.name, slow.arguments) for slow in cache.slow] == [("debug", 2)]
    assert 0.03 <= cache.slow[0].seconds < 0.3


@pytest.mark.lab
def test_a_slowlog_that_is_switched_off(client: redis.Redis, redis_port: int) -> None:
    client.config_set("slowlog-log-slower-than", -1)
    reader = RedisReader([candidate(redis_port)])
    reader.start()
    cache = reader.stop()
    assert cache.slow == ()
    assert "SLOWLOG is off" in cache.notes[0]


@pytest.mark.lab
def test_large_values_are_found_and_their_names_masked(client: redis.Redis, redis_port: int) -> None:
    client.set("basket:8812:alice@example.com", "x" * 300_000)
    client.set("small", "x")
    client.rpush("queue", *(["y" * 100] * 2_000))
    reader = RedisReader([candidate(redis_port)])
    reader.start()
    cache = reader.stop()
    assert [(big.key, big.type) for big in cache.big_keys] == [("basket:####:#", "string"), ("queue", "list")]
    assert cache.big_keys[0].bytes >= 300_000
    assert "alice" not in repr(cache)


@pytest.mark.lab
def test_of_many_keys_only_some_are_looked_at_and_keys_is_never_sent(client: redis.Redis, redis_port: int) -> None:
    client.mset({f"key:{number}": "x" for number in range(2_000)})
    reader = RedisReader([candidate(redis_port)])
    reader.start()
    cache = reader.stop()
    sent = client.info("commandstats")
    assert "cmdstat_keys" not in sent
    assert sent["cmdstat_memory"]["calls"] == 200
    assert "large values: 200 of 2000 keys looked at" in cache.notes


@pytest.mark.lab
def test_a_user_who_may_not_read_the_counters(client: redis.Redis, redis_port: int) -> None:
    client.acl_setuser("weak", enabled=True, passwords=["+pw"], keys=["*"], commands=["+get", "+ping"])
    with pytest.raises(Unavailable) as caught:
        RedisReader([candidate(redis_port, "weak:pw@")])
    assert caught.value.remedy == "ACL SETUSER weak +info +time"
    assert ":pw" not in caught.value.missing


@pytest.mark.lab
def test_a_user_who_may_read_some(client: redis.Redis, redis_port: int) -> None:
    client.set("a", "1")
    client.acl_setuser(
        "half", enabled=True, passwords=["+pw"], keys=["*"], commands=["+get", "+ping", "+info", "+time"]
    )
    reader = RedisReader([candidate(redis_port, "half:pw@")])
    reader.start()
    client.get("a")
    cache = reader.stop()
    assert cache.hits == 1
    assert [note.partition(":")[0] for note in cache.notes] == ["SLOWLOG GET", "large values", "LATENCY LATEST"]


@pytest.mark.lab
def test_a_wrong_password_does_not_show(redis_port: int, client: redis.Redis) -> None:
    client.acl_setuser("half", enabled=True, passwords=["+pw"])
    with pytest.raises(Unavailable) as caught:
        RedisReader([candidate(redis_port, "half:not-the-one@"), candidate(free_port())])
    assert "given by the test: " in caught.value.missing
    assert "not-the-one" not in caught.value.missing
    assert "--redis" in caught.value.remedy


@pytest.mark.lab
def test_counters_reset_in_the_window(client: redis.Redis, redis_port: int) -> None:
    for _ in range(50):
        client.get("none")
    reader = RedisReader([candidate(redis_port)])
    reader.start()
    client.config_resetstat()
    client.get("none")
    cache = reader.stop()
    assert (cache.hits, cache.misses) == (0, 1)
    assert any("reset" in note for note in cache.notes)


@pytest.mark.lab
def test_a_latency_event(client: redis.Redis, redis_port: int) -> None:
    client.config_set("latency-monitor-threshold", 5)
    reader = RedisReader([candidate(redis_port)])
    reader.start()
    client.execute_command("DEBUG", "SLEEP", "0.02")  # type: ignore[no-untyped-call]
    time.sleep(0.01)
    cache = reader.stop()
    client.config_set("latency-monitor-threshold", 0)
    assert any(note.startswith("latency event command: ") for note in cache.notes)


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("user:42:name", "user:##:name"),
        ("session:deadbeefdeadbeef01", "session:#"),
        ("mail:bob@example.com", "mail:#"),
        ("category-names-of-shop", "category-names-of-shop"),
    ],
)
def test_masked(key: str, shown: str) -> None:
    assert masked(key) == shown

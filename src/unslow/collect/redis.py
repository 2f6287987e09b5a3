"""Redis facts: commands and look-ups over the window, slow commands, large values, PING times.

Only commands that cost the server little: never KEYS, no values, no arguments kept.
"""

from __future__ import annotations

import contextlib
import re
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from unslow.collect.dsn import Candidate
from unslow.errors import Unavailable
from unslow.evidence.cache import BigKey, Cache, Command, SlowCommand

TIMEOUT_S = 2.0
PINGS = 10
PING_INTERVAL_S = 0.02
"""Ten PINGs over 0.2 s: at once they would all wait behind the same slow command."""
SLOW_ENTRIES = 128
"""The server's own default length of SLOWLOG."""
SHOWN_SLOW = 32
SAMPLED_KEYS = 200
SCAN_COUNT = 50
BIG_BYTES = 100_000
"""A value of this size takes about as long to send as a hundred small ones."""
SHOWN_KEYS = 5
_SECTIONS = ("server", "clients", "memory", "stats", "commandstats", "keyspace")
_OURS = frozenset(("info", "time", "hello", "slowlog", "latency"))
"""Commands that we send in the window; an application hardly does."""
_UNSTABLE = re.compile(r"(?<![A-Za-z0-9])(?=[\w-]*\d)[\w-]{16,}|[\w.+-]+@[\w.-]+")
"""Tokens and e-mail addresses inside the name of a key."""


@dataclass(frozen=True, slots=True)
class _Reading:
    at_s: float
    """Monotonic."""
    clock_s: float
    """Unix seconds by the server's clock."""
    info: Mapping[str, Any]


class RedisReader:
    """Reads one server over one connection.

    Made, it has logged in; then `start`, `stop`; `close` at any time.
    """

    def __init__(self, candidates: Iterable[Candidate]) -> None:
        """Log in with the first candidate that is let in.

        Raises `Unavailable` when none is, or when its user may not read the counters.
        """
        self._before: _Reading | None = None
        self._notes: list[str] = []
        tried = []
        for candidate in candidates:
            if candidate.kind != "redis":
                continue
            try:
                self._server, self._address = _log_in(candidate.dsn), candidate.address
                break
            except (redis.RedisError, ValueError) as error:
                tried.append(f"{candidate.source}: {reason(error)}")
        else:
            raise Unavailable(
                "a Redis login" + (f" ({'; '.join(tried[:4])})" if tried else ""),
                "give unslow a login: --redis redis://HOST:PORT/0",
            )
        try:
            self._read()
        except redis.exceptions.NoPermissionError as error:
            self.close()
            raise Unavailable(
                f"Redis counters ({reason(error)})", f"ACL SETUSER {_user(candidate.dsn)} +info +time"
            ) from error
        except redis.RedisError as error:
            self.close()
            raise _unanswered(error) from error

    def start(self) -> None:
        """Read the counters for the first time; a server that does not answer is reported by `stop`."""
        with contextlib.suppress(redis.RedisError):
            self._before = self._read()

    def stop(self) -> Cache:
        """Read the counters again, then what may be read at leisure.

        Raises `Unavailable` when the server did not answer now or at the start.
        """
        try:
            after = self._read()
            if self._before is None:
                raise Unavailable("the first reading of Redis: it did not answer", "repeat; see the server's log")
            return self._cache(self._before, after)
        except redis.RedisError as error:
            raise _unanswered(error) from error
        finally:
            self.close()

    def close(self) -> None:
        """Give the connection back; may be called twice."""
        self._server.close()

    def _read(self) -> _Reading:
        info: dict[str, Any] = {}
        seconds, micros = self._server.time()
        for section in _SECTIONS:
            info |= self._server.info(section)
        return _Reading(time.monotonic(), seconds + micros / 1e6, info)

    def _cache(self, before: _Reading, after: _Reading) -> Cache:
        seconds = after.at_s - before.at_s
        was, now = before.info, after.info
        restarted = _number(now, "uptime_in_seconds") < _number(was, "uptime_in_seconds")
        reset = restarted or _number(now, "total_commands_processed") < _number(was, "total_commands_processed")
        if reset:
            self._notes.append("the counters were reset in the window: it counts from there")
        start: Mapping[str, Any] = {} if reset else was

        def grown(name: str) -> float:
            return max(0.0, _number(now, name) - _number(start, name))

        return Cache(
            address=self._address,
            version=str(now.get("valkey_version") or now.get("redis_version") or "unknown"),
            seconds=seconds,
            hits=grown("keyspace_hits"),
            misses=grown("keyspace_misses"),
            lifetime_hits=_number(start, "keyspace_hits"),
            lifetime_misses=_number(start, "keyspace_misses"),
            lifetime_s=_number(start, "uptime_in_seconds"),
            keys=sum(int(_number(each, "keys")) for name, each in now.items() if re.fullmatch(r"db\d+", name)),
            evicted=grown("evicted_keys"),
            expired=grown("expired_keys"),
            commands=_commands(start, now),
            slow=tuple(sorted(self._slow(before.clock_s, after.clock_s), key=lambda each: -each.seconds)[:SHOWN_SLOW]),
            ping_s=self._ping(),
            big_keys=self._big_keys(),
            used_memory_bytes=int(_number(now, "used_memory")),
            max_memory_bytes=int(_number(now, "maxmemory")),
            connections_opened_per_s=grown("total_connections_received") / seconds if seconds > 0 else 0.0,
            output_bytes_per_s=grown("total_net_output_bytes") / seconds if seconds > 0 else 0.0,
            notes=tuple(self._latency_events(before.clock_s) + self._notes),
        )

    def _slow(self, start_s: float, end_s: float) -> Iterator[SlowCommand]:
        """SLOWLOG of the window; its clock has whole seconds."""
        threshold = self._setting("slowlog-log-slower-than")
        if threshold is not None and int(threshold) < 0:
            self._notes.append("SLOWLOG is off: CONFIG SET slowlog-log-slower-than 10000")
            return
        entries = self._allowed("SLOWLOG", "GET", str(SLOW_ENTRIES), permission="+slowlog|get") or []
        for entry in entries:
            words = entry["command"].split(b" ")
            name = words[0].decode(errors="replace").lower()[:32]
            if int(start_s) <= entry["start_time"] <= end_s and name not in _OURS:
                yield SlowCommand(
                    name=name,
                    seconds=entry["duration"] / 1e6,
                    at_s=float(entry["start_time"]),
                    arguments=len(words) - 1,
                )

    def _latency_events(self, start_s: float) -> list[str]:
        """Events that LATENCY recorded since the start, when its monitor is on."""
        latest = self._allowed("LATENCY", "LATEST", permission="+latency|latest") or []
        return [
            f"latency event {_word(name)}: {last_ms} ms" for name, at_s, last_ms, *_ in latest if at_s >= int(start_s)
        ]

    def _ping(self) -> float | None:
        """Median seconds of ten PINGs; they wait behind whatever the server is busy with."""
        times = []
        try:
            for _ in range(PINGS):
                began_s = time.perf_counter()
                self._server.ping()
                times.append(time.perf_counter() - began_s)
                time.sleep(PING_INTERVAL_S)
        except redis.RedisError as error:
            self._notes.append(f"PING: {reason(error)}")
        return statistics.median(times) if times else None

    def _big_keys(self) -> tuple[BigKey, ...]:
        """The largest of at most 200 keys, which SCAN gives in no particular order."""
        try:
            present = self._server.dbsize()
            if not present:
                return ()
            keys = self._scanned()
            if len(keys) < present:
                self._notes.append(f"large values: {len(keys)} of {present} keys looked at")
            with self._server.pipeline(transaction=False) as pipe:
                for key in keys:
                    pipe.memory_usage(key, samples=5)
                    pipe.type(key)
                answers = pipe.execute()
        except redis.RedisError as error:
            self._notes.append(f"large values: {reason(error)}; ACL SETUSER name +dbsize +scan +memory|usage +type")
            return ()
        sized = zip(keys, answers[::2], answers[1::2], strict=True)
        big = [
            BigKey(key=masked(_word(key)), type=_word(kind), bytes=size)
            for key, size, kind in sized
            if size and size >= BIG_BYTES
        ]
        return tuple(sorted(big, key=lambda each: (-each.bytes, each.key))[:SHOWN_KEYS])

    def _scanned(self) -> list[bytes]:
        keys: dict[bytes, None] = {}
        cursor = 0
        for _ in range(SAMPLED_KEYS // SCAN_COUNT * 2):
            cursor, found = self._server.scan(cursor, count=SCAN_COUNT)
            keys |= dict.fromkeys(cast("list[bytes]", found))  # we do not ask to have them decoded
            if cursor == 0 or len(keys) >= SAMPLED_KEYS:
                break
        return list(keys)[:SAMPLED_KEYS]

    def _setting(self, name: str) -> str | None:
        answer = self._allowed("CONFIG", "GET", name, permission="")
        pairs = list(answer.values()) if isinstance(answer, dict) else list(answer or ())[1:]
        return _word(pairs[0]) if pairs else None

    def _allowed(self, *command: str, permission: str) -> Any:
        """The answer, or None with a note when the user may not ask; managed services forbid CONFIG."""
        try:
            execute: Callable[..., Any] = self._server.execute_command
            return execute(" ".join(command[:2]), *command[2:])
        except redis.RedisError as error:
            if permission:
                self._notes.append(f"{' '.join(command[:2])}: {reason(error)}; ACL SETUSER name {permission}")
            return None


def masked(key: str) -> str:
    """The name of a key without what changes from user to user: digits, tokens, addresses."""
    return re.sub(r"\d", "#", _UNSTABLE.sub("#", key))[:120]


def _unanswered(error: redis.RedisError) -> Unavailable:
    return Unavailable(f"Redis counters ({reason(error)})", "repeat; see the server's log")


def _user(dsn: str) -> str:
    return urlsplit(dsn).username or "default"


def reason(error: Exception) -> str:
    """The server's words, short; replies to a refused command name the command and never its arguments."""
    return (str(error).splitlines() or [type(error).__name__])[0][:160]


def _log_in(dsn: str) -> redis.Redis:
    """A client that has had an answer; raises redis.RedisError, and ValueError for an odd URL."""
    client = redis.Redis.from_url(
        dsn,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        protocol=2,
        retry=Retry(NoBackoff(), 0),
    )
    try:
        client.ping()
    except redis.RedisError:
        client.close()
        raise
    return client


def _commands(was: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[Command, ...]:
    """Commands that ran in the window, most time first; without the ones that we sent ourselves."""
    found = []
    for name, after in now.items():
        if not name.startswith("cmdstat_"):
            continue
        before = was.get(name, {})
        calls = _number(after, "calls") - _number(before, "calls")
        command = name.removeprefix("cmdstat_").lower()
        if calls > 0 and command not in _OURS:
            found.append(
                Command(
                    name=command,
                    calls=calls,
                    exec_s=max(0.0, _number(after, "usec") - _number(before, "usec")) / 1e6,
                    lifetime_calls=_number(before, "calls"),
                    lifetime_exec_s=_number(before, "usec") / 1e6,
                )
            )
    return tuple(sorted(found, key=lambda each: (-each.exec_s, each.name)))


def _number(values: Mapping[str, Any], name: str) -> float:
    value = values.get(name, 0)
    return float(value) if isinstance(value, int | float) else 0.0


def _word(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)

"""How an idle thread of an interpreter looks from outside, learnt by asking that interpreter.

A pool thread that waits for work and a thread that waits for a lock inside a request are both in
futex. They differ in the depth of the C stack: Python-to-Python calls take none of it, entering a
WSGI application does. Stacks start at a page's end, so the stack pointer's offset in its page is
the same for the same wait in every thread and every process of one build.
"""

from __future__ import annotations

from unslow.collect import processes

Wait = tuple[int, int]
"""(system call number, stack pointer modulo page size)."""
PAGE_MASK = 0xFFF

SCRIPT = """
import os, queue, sys, threading, time
from concurrent.futures import ThreadPoolExecutor

condition, event, event2, full = (threading.Condition(), threading.Event(), threading.Event(), queue.Queue())
condition2, simple = threading.Condition(), queue.SimpleQueue()


def wait():
    with condition:
        condition.wait()


def wait_limited():
    with condition2:
        condition2.wait(60)


LOOPS = (wait, wait_limited, event.wait, lambda: event2.wait(60), full.get, lambda: full.get(timeout=60),
         simple.get, lambda: simple.get(timeout=60), lambda: time.sleep(60))


class Runner(threading.Thread):
    def __init__(self, loop):
        super().__init__(daemon=True)
        self.loop = loop

    def run(self):
        self.loop()


pool = ThreadPoolExecutor(2)
for task in [pool.submit(int) for _ in range(2)]:
    task.result()
for loop in LOOPS:
    threading.Thread(target=loop, daemon=True).start()
    Runner(loop).start()
time.sleep(0.1)
for tid in os.listdir('/proc/self/task'):
    fields = open(f'/proc/self/task/{tid}/syscall').read().split()
    if int(tid) != os.getpid() and len(fields) > 7:
        print(fields[0], int(fields[7], 16) & 4095)
sys.stdout.flush()
os._exit(0)
"""


_KNOWN: dict[str, frozenset[Wait]] = {}
"""By executable: a build answers always the same."""


def idle_waits(pid: int) -> frozenset[Wait]:
    """Waits at the base of a thread, for the interpreter of `pid`; empty when it could not be asked."""
    executable = processes.executable(pid)
    if not processes.is_interpreter(executable):
        return frozenset()
    if executable not in _KNOWN:
        answer = processes.run_as_owner(pid, ["-I", "-S", "-c", SCRIPT])
        rows = (line.split() for line in (answer.stdout if answer else "").splitlines())
        _KNOWN[executable] = frozenset((int(number), int(offset)) for number, offset in rows)
    return _KNOWN[executable]

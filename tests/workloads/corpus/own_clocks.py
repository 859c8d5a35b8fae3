"""What every program of the corpus shares: its own clocks, and when to end.

A program sets itself up, says `ready()`, and goes on for ever. What it is stands in
labels.toml, not in the program. When its stdin closes, or on SIGTERM, a signal handler
reads the clocks, prints them as one line of JSON and ends the process, wherever the
program is: no loop looks whether it shall end, so the clocks change no loop's shape.

Times of threads are CLOCK_THREAD_CPUTIME_ID (any thread of a process may read it of any
other) and the second figure of /proc/self/task/TID/schedstat. Times of waits are wall
time around `with waiting(kind):`, in programs that wait some hundred times a second at
most. Standard library only, CPython 3.8 to 3.15.
"""

import json
import os
import resource
import signal
import sys
import threading
import time

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir))

from truth import Workload  # noqa: E402

# multiprocessing gives its children another stdin.
_STDIN = os.dup(0)
# What libraries print is not for whoever reads the two lines of JSON.
_STDOUT = os.dup(1)
os.dup2(2, 1)

_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


class waiting:
    """Times a wait: `with waiting("network"): ...`. Kinds are those of labels.toml."""

    __slots__ = ("kind",)

    def __init__(self, kind):
        self.kind = kind

    def __enter__(self):
        _OPEN[threading.get_ident()] = (self.kind, time.monotonic_ns())

    def __exit__(self, *_):
        kind, began_ns = _OPEN.pop(threading.get_ident())
        # Each thread adds to a sum of its own.
        key = (kind, threading.get_ident())
        count, total_ns = _WAITS.get(key, (0, 0))
        _WAITS[key] = (count + 1, total_ns + time.monotonic_ns() - began_ns)


_OPEN = {}
_WAITS = {}


class _Program(Workload):
    def __init__(self, whole_group, at_end):
        super().__init__()
        self._whole_group = whole_group
        self._at_end = at_end

    def start(self):
        os.dup2(_STDIN, 0)
        _WAITS.clear()
        self._faults = resource.getrusage(resource.RUSAGE_SELF)
        self._before = _threads()
        self._process_started_ns = time.process_time_ns()
        self._started_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        self._arm()
        _say({"ready": True, "pid": os.getpid(), "python": sys.version.split()[0]})

    def _stop(self, *_):
        if self.stopping:
            return
        self.stopping = True
        now_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        cpu_ns = time.process_time_ns() - self._process_started_ns
        after = _threads()
        mono_ns = time.monotonic_ns()
        for ident, (kind, began_ns) in list(_OPEN.items()):
            count, total_ns = _WAITS.get((kind, ident), (0, 0))
            _WAITS[kind, ident] = (count + 1, total_ns + mono_ns - began_ns)
        faults = resource.getrusage(resource.RUSAGE_SELF)
        waits = {}
        for (kind, _), (count, total_ns) in list(_WAITS.items()):
            sums = waits.setdefault(kind, {"count": 0, "total_ns": 0})
            sums["count"] += count
            sums["total_ns"] += total_ns
        _say(
            {
                "done": True,
                "wall_ns": now_ns - self._started_ns,
                "cpu_ns": cpu_ns,
                "threads": [self._of_thread(tid, after[tid], now_ns) for tid in sorted(after)],
                "waits": waits,
                "major_faults": faults.ru_majflt - self._faults.ru_majflt,
            }
        )
        for clean in self._at_end:
            clean()
        self._leave()

    def _of_thread(self, tid, after, now_ns):
        cpu_ns, delay_ns, born_ns = after
        cpu_before_ns, delay_before_ns, _ = self._before.get(tid, (0, 0, 0))
        return {
            "tid": tid,
            "wall_ns": now_ns - max(self._started_ns, born_ns),
            "cpu_ns": cpu_ns - cpu_before_ns,
            "run_delay_ns": delay_ns - delay_before_ns,
        }

    def _leave(self):
        """Ends at once, and with it the processes it started."""
        children = "/proc/self/task/%d/children" % threading.get_native_id()
        with open(children) as lines:
            has_children = bool(lines.read().split())
        group = os.getpgrp()
        if (has_children or self._whole_group) and group in (os.getpid(), os.getppid()):
            os.killpg(group, signal.SIGKILL)
        os._exit(0)


_AT_END = []


def at_end(clean):
    """Calls `clean` when the program ends: files that it leaves behind."""
    _AT_END.append(clean)


def ready(whole_group=False):
    """Says that from now on the program is what its label says. In the main thread.

    With `whole_group` the process group ends with it: of a server whose worker calls this.
    """
    _Program(whole_group, _AT_END).start()


def _threads():
    """tid -> (CPU time, time it was ready and not run, birth), nanoseconds."""
    found = {}
    for name in os.listdir("/proc/self/task"):
        tid = int(name)
        try:
            # How the kernel writes the CPU clock of a thread (MAKE_THREAD_CPUCLOCK).
            cpu_ns = time.clock_gettime_ns((~tid << 3) | 6)
            with open("/proc/self/task/%s/schedstat" % name) as file:
                delay_ns = int(file.read().split()[1])
            with open("/proc/self/task/%s/stat" % name) as file:
                born_ns = int(file.read().rpartition(")")[2].split()[19]) * _TICK_NS
        except OSError:
            continue  # It ended meanwhile.
        found[tid] = (cpu_ns, delay_ns, born_ns)
    return found


def _say(message):
    try:
        os.write(_STDOUT, json.dumps(message).encode() + b"\n")
    except BrokenPipeError:
        pass  # Whoever started this has gone; there is nobody to tell.

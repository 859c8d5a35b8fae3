"""Processes that compute at one known line, come to it in many ways: `places.py KIND ...`.

spin               computes until stdin closes
rename TITLE       the same under another name: the kernel's, and the words of its command
                   line, by setproctitle if that can be imported, else by hand
prefork COUNT      imports, then forks workers that compute, as servers do
multiprocessing    told to, starts workers by each of the three methods
brief MS           computes for so long and ends: its clocks are its only line

All but the last keep a workload's contract. `hot_place` is where they compute; what they
say of it is its line, by the frame itself.
"""

import json
import multiprocessing
import os
import select
import sys
import time

NAP_NS = 20_000_000


def hot_place(until_ns):
    total = 1
    while time.thread_time_ns() < until_ns: total = sum(range(500), total) % 1_000_003  # fmt: skip # here
    return total


def hot_line():
    """The line of the loop, by the interpreter's own table."""
    from truth import line_of

    return line_of(hot_place, "# here")


def compute(duration_ns):
    hot_place(time.thread_time_ns() + duration_ns)


def say(**message):
    print(json.dumps(message), flush=True)


def ready(**more):
    say(ready=True, pid=os.getpid(), function="hot_place", line=hot_line(), **more)


def stdin_is_open():
    return not select.select([0], [], [], 0)[0] or os.read(0, 1) != b""


def until_stdin_closes():
    while stdin_is_open():
        compute(NAP_NS)
    say(done=True, cpu_ns=time.process_time_ns())
    os._exit(0)


def spin():
    ready()
    until_stdin_closes()


def overwrite_command_line(title):
    """What setproctitle does: writes over the words the kernel shows."""
    import ctypes

    with open("/proc/self/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    start, end = int(fields[45]), int(fields[46])
    words = title.encode()[: end - start - 1]
    ctypes.memset(start, 0, end - start)
    ctypes.memmove(start, words, len(words))
    pr_set_name = 15
    ctypes.CDLL(None).prctl(pr_set_name, words[:15], 0, 0, 0)


def rename(title):
    try:
        from setproctitle import setproctitle
    except ImportError:
        how = "by hand"
        overwrite_command_line(title)
    else:
        how = "setproctitle"
        setproctitle(title)
    with open("/proc/self/cmdline") as cmdline, open("/proc/self/comm") as comm:
        ready(how=how, cmdline=cmdline.read().split("\0")[0], comm=comm.read().strip())
    until_stdin_closes()


def prefork(count):
    ours, theirs = os.pipe()
    workers = []
    for _ in range(int(count)):
        pid = os.fork()
        if pid == 0:
            os.close(theirs)
            # Until the parent ends, in whatever way.
            while not select.select([ours], [], [], 0)[0]:
                compute(NAP_NS)
            os._exit(0)
        workers.append(pid)
    ready(workers=workers)
    while stdin_is_open():
        select.select([0], [], [])
    os.close(theirs)
    for pid in workers:
        os.waitpid(pid, 0)
    say(done=True)


def worker(results, method):
    begin = time.process_time_ns()
    compute(400_000_000)
    results.put(
        {"pid": os.getpid(), "method": method, "cpu_ns": time.process_time_ns() - begin}
    )


def with_multiprocessing():
    ready()
    os.read(0, 1)
    children = []
    for method in ("fork", "spawn", "forkserver"):
        context = multiprocessing.get_context(method)
        results = context.SimpleQueue()
        both = [context.Process(target=worker, args=(results, method)) for _ in range(2)]
        for child in both:
            child.start()
        children += [results.get() for _ in both]
        for child in both:
            child.join()
    say(children=children)
    os.read(0, 1)


def brief(milliseconds):
    line = hot_line()
    begin = time.thread_time_ns()
    compute(int(milliseconds) * 1_000_000)
    say(
        pid=os.getpid(),
        hot_ns=time.thread_time_ns() - begin,
        cpu_ns=time.process_time_ns(),
        line=line,
    )
    os._exit(0)


KINDS = {
    "spin": spin,
    "rename": rename,
    "prefork": prefork,
    "multiprocessing": with_multiprocessing,
    "brief": brief,
}

if __name__ == "__main__":
    KINDS[sys.argv[1]](*sys.argv[2:])

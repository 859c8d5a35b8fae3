"""Processes that begin, multiply and end while they are watched: `life.py KIND ...`.

work FILE CODE   computes and sleeps, writes its own clocks to FILE, exits with CODE
family FILE      two forked workers compute; their clocks and its own go to FILE
kill             kills itself
linger FILE      waits for the end of its stdin and says in FILE that it lives
whoami           prints its user, its groups and its home
answer           prints the same every time, and exits with 7
forks            keeps a workload's contract; told to, it forks two workers
exec-python      keeps a workload's contract; told to, it becomes another script
exec-sleep       keeps a workload's contract; told to, it becomes `sleep`
"""

import hashlib
import json
import multiprocessing
import os
import select
import signal
import sys
import time


def crunch(cpu_ns):
    total = 0
    end = time.thread_time_ns() + cpu_ns
    while time.thread_time_ns() < end:
        for number in range(1_000):
            total += number * number % 7
    return total


def before_exec():
    crunch(150_000_000)


def after_exec():
    crunch(20_000_000)


def say(**message):
    print(json.dumps(message), flush=True)


def write(path, message):
    """In one step: who sees the file sees all of it."""
    with open(path + ".part", "w") as file:
        json.dump(message, file)
    os.rename(path + ".part", path)


def clocks():
    return {"pid": os.getpid(), "cpu_ns": time.process_time_ns()}


def work(path, code):
    crunch(300_000_000)
    begin = time.monotonic_ns()
    time.sleep(0.3)
    write(path, dict(clocks(), slept_ns=time.monotonic_ns() - begin))
    os._exit(int(code))


def worker(results):
    begin = time.process_time_ns()
    crunch(300_000_000)
    results.send({"pid": os.getpid(), "cpu_ns": time.process_time_ns() - begin})


def workers():
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    children = [context.Process(target=worker, args=(theirs,)) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    return [ours.recv() for _ in children]


def family(path):
    children = workers()
    write(path, dict(clocks(), children=children))


def kill():
    crunch(50_000_000)
    os.kill(os.getpid(), signal.SIGKILL)


def linger(path):
    write(path, {"pid": os.getpid(), "lives": False})
    while os.read(0, 4096):
        pass
    write(path, {"pid": os.getpid(), "lives": True})


def whoami():
    say(
        uid=os.getresuid(),
        gid=os.getresgid(),
        groups=sorted(set(os.getgroups())),
        home=os.environ.get("HOME"),
        user=os.environ.get("USER"),
    )


def answer():
    digest = b""
    for number in range(60_000):
        digest = hashlib.sha256(digest + b"%d" % number).digest()
        if number % 10_000 == 0:
            print(number, digest.hex())
            time.sleep(0.02)
    print(digest.hex(), file=sys.stderr)
    sys.exit(7)


def forks():
    say(ready=True, pid=os.getpid())
    os.read(0, 1)
    say(children=workers())
    os.read(0, 1)


def exec_python():
    say(ready=True, pid=os.getpid())
    os.read(0, 1)
    before_exec()
    os.execv(sys.executable, [sys.executable, __file__, "second"])


def second():
    after_exec()
    say(ready=True, pid=os.getpid())
    while not select.select([0], [], [], 0)[0]:
        after_exec()
    say(done=True, **clocks())


def exec_sleep():
    say(ready=True, pid=os.getpid())
    os.read(0, 1)
    before_exec()
    os.execvp("sleep", ["sleep", "1000"])


if __name__ == "__main__":
    globals()[sys.argv[1].replace("-", "_")](*sys.argv[2:])

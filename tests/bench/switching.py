"""A target of `cargo xtask bench` that hardly computes: `switching.py KIND`.

pingpong - two processes on one CPU hand each other a byte: every `recv` is a switch
requests - asks a server on the other CPU, a process of its own, and waits for its answer,
           as a program does that uses Redis
eagain   - asks a socket that has nothing, without waiting: no switches, system calls only

Prints what target.py prints, the other process' pid under `others`, a repetition being a
fixed number of these. Runs until its stdin closes. Standard library only, CPython 3.8 and
newer.
"""

import argparse
import json
import os
import select
import signal
import socket
import sys
import time

# Of one repetition: some 100 ms.
COUNTS = {"pingpong": 2_000, "requests": 2_000, "eagain": 100_000}


def answer(peer):
    while True:
        data = peer.recv(64)
        if not data:
            os._exit(0)
        peer.send(data)


def ask(peer, count):
    for _ in range(count):
        peer.send(b"GET key:1234")
        peer.recv(64)


def ask_in_vain(peer, count):
    for _ in range(count):
        try:
            peer.recv(64)
        except BlockingIOError:
            pass


def descend(levels, work, peer, count):
    if levels:
        descend(levels - 1, work, peer, count)
    else:
        work(peer, count)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cpu", type=int, help="the CPU to stay on")
    parser.add_argument("--server-cpu", type=int, help="the CPU of a server")
    parser.add_argument("kind", choices=tuple(COUNTS))
    arguments = parser.parse_args()
    here, there = socket.socketpair()
    others = []
    if arguments.kind == "eagain":
        here.setblocking(False)
    else:
        child = os.fork()
        if child == 0:
            here.close()
            cpu = arguments.server_cpu if arguments.kind == "requests" else arguments.cpu
            if cpu is not None:
                os.sched_setaffinity(0, {cpu})
            try:
                descend(8, lambda peer, _: answer(peer), there, 0)
            except OSError:
                os._exit(0)
        there.close()
        others.append(child)
    if arguments.cpu is not None:
        os.sched_setaffinity(0, {arguments.cpu})
    print(
        json.dumps(
            {
                "ready": True,
                "pid": os.getpid(),
                "others": others,
                "python": sys.version.split()[0],
            }
        ),
        flush=True,
    )
    work = ask_in_vain if arguments.kind == "eagain" else ask
    end = select.poll()
    end.register(0, select.POLLHUP | select.POLLERR)
    try:
        while not end.poll(0):
            began = time.time_ns()
            start = time.perf_counter_ns()
            descend(6, work, here, COUNTS[arguments.kind])
            print(began, time.perf_counter_ns() - start, flush=True)
    except (BrokenPipeError, KeyboardInterrupt):
        pass
    for child in others:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    os._exit(0)


main()

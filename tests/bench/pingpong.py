"""A target of `cargo xtask bench`: two processes that do nothing but switch.

They share one CPU and hand each other a byte over a socketpair below a stack of
`--depth` frames, so that every `recv` is a switch from one watched thread to the
other. Prints the ready line of target.py, with the other process' pid under `others`,
and runs until its stdin closes. Standard library only, CPython 3.8 and newer.
"""

import argparse
import json
import os
import select
import signal
import socket
import sys

# <module>, main, descend (at the bottom once more), play
FIXED_FRAMES = 4
ROUNDS = 10_000


def play(peer, rounds):
    for _ in range(rounds):
        peer.send(b"x")
        if not peer.recv(1):
            os._exit(0)


def descend(levels, peer, rounds):
    if levels:
        descend(levels - 1, peer, rounds)
    else:
        play(peer, rounds)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--depth", type=int, default=10)
    parser.add_argument("--cpu", type=int, help="the CPU to stay on")
    arguments = parser.parse_args()
    if arguments.cpu is not None:
        os.sched_setaffinity(0, {arguments.cpu})
    levels = max(0, arguments.depth - FIXED_FRAMES)
    here, there = socket.socketpair()
    child = os.fork()
    if child == 0:
        here.close()
        while True:
            try:
                descend(levels, there, ROUNDS)
            except OSError:
                os._exit(0)
    there.close()
    print(
        json.dumps(
            {
                "ready": True,
                "pid": os.getpid(),
                "others": [child],
                "python": sys.version.split()[0],
            }
        ),
        flush=True,
    )
    end = select.poll()
    end.register(0, select.POLLHUP | select.POLLERR)
    while not end.poll(0):
        descend(levels, here, ROUNDS)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


main()

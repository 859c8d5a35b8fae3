"""An init-like parent that reaps several children with WNOHANG and never rests."""

import os
import time

import own_clocks


def spawn():
    pid = os.fork()
    if pid == 0:
        time.sleep(3600)
        os._exit(0)
    return pid


def reap(children):
    exits = {}
    while len(exits) < len(children):
        for pid in children:
            if pid in exits:
                continue
            ended, status = os.waitpid(pid, os.WNOHANG)  # here
            if ended:
                exits[pid] = status
    return exits


def main():
    children = [spawn() for _ in range(3)]
    own_clocks.ready()
    reap(children)


main()

"""Waits at pipes and terminals."""

import os
import pty
import time
import tty

from .common import beside, every, folder, waits

PERIOD = 0.03
ELSE = ("disk-read", "disk-write", "net-recv", "net-send", "kernel-other", "poll-wait")


@waits("pipe", "read of an empty pipe", never=ELSE + ("tty",))
def pipe_read(wait):
    inbox, outbox = os.pipe()
    every(PERIOD, lambda: os.write(outbox, b"x"))
    wait.ready()
    while True:
        begun = wait.begin()
        os.read(inbox, 64)  # here
        wait.end(begun)


@waits("pipe", "write to a full pipe", never=ELSE + ("tty",))
def pipe_write(wait):
    inbox, outbox = os.pipe()
    every(PERIOD, lambda: os.read(inbox, 65536))
    wait.ready()
    while True:
        begun = wait.begin()
        os.write(outbox, b"x" * 65536)  # here
        wait.end(begun)


@waits("pipe", "read of a pipe that has a name", never=ELSE + ("tty",))
def fifo_read(wait):
    path = os.path.join(folder(), "fifo")
    os.mkfifo(path)
    fd = os.open(path, os.O_RDWR)
    every(PERIOD, lambda: os.write(fd, b"x"))
    wait.ready(file=path)
    while True:
        begun = wait.begin()
        os.read(fd, 64)  # here
        wait.end(begun)


@waits("tty", "read of a terminal", never=ELSE + ("pipe",))
def tty_read(wait):
    leader, follower = pty.openpty()
    tty.setraw(follower)
    every(PERIOD, lambda: os.write(leader, b"x"))
    wait.ready(file=os.ttyname(follower))
    while True:
        begun = wait.begin()
        os.read(follower, 64)  # here
        wait.end(begun)


@waits("tty", "read of the other side of a terminal", never=ELSE + ("pipe",))
def ptmx_read(wait):
    leader, follower = pty.openpty()
    tty.setraw(follower)
    every(PERIOD, lambda: os.write(follower, b"x"))
    wait.ready()
    while True:
        begun = wait.begin()
        os.read(leader, 64)  # here
        wait.end(begun)


@waits("pipe", "a new pipe for each byte", never=ELSE + ("tty",))
def short_lived_pipe(wait):
    wait.ready()
    while True:
        inbox, outbox = os.pipe()
        beside(write_later, outbox)
        begun = wait.begin()
        os.read(inbox, 64)  # here
        wait.end(begun)
        os.close(inbox)


def write_later(outbox):
    time.sleep(PERIOD)
    os.write(outbox, b"x")
    os.close(outbox)

"""Waits for children, and for what comes from them."""

import os
import subprocess

from .common import waits

NEVER = ("disk-read", "disk-write", "sleep", "lock")
#: Popen reads from a pipe until the child execs, which is over before anybody can look
#: what it reads from.
TO_START = ["pipe", "kernel-other"]


def sleeper(seconds="0.05"):
    return ["sleep", seconds]


@waits("child-wait", "waitpid for one child", never=NEVER, besides=TO_START)
def wait_one(wait):
    wait.ready(child="sleep")
    while True:
        child = subprocess.Popen(sleeper(), stdout=subprocess.DEVNULL)
        begun = wait.begin()
        os.waitpid(child.pid, 0)  # here
        wait.end(begun)
        child.returncode = 0


@waits("child-wait", "subprocess.run", never=NEVER, besides=TO_START)
def run_child(wait):
    wait.ready(child="sleep")
    while True:
        begun = wait.begin()
        subprocess.run(sleeper(), stdout=subprocess.DEVNULL)  # here
        wait.end(begun)


@waits("child-wait", "waitpid for one child that lives long", never=NEVER, besides=TO_START)
def wait_long(wait):
    child = subprocess.Popen(sleeper("60"), stdout=subprocess.DEVNULL)
    wait.ready(child="sleep", child_pid=child.pid)
    begun = wait.begin()
    wait.for_ever(begun)
    child.wait()  # here


@waits("pipe", "the output of a child: a pipe and no wait for it", never=NEVER, besides=["child-wait", "kernel-other"])
def child_output(wait):
    wait.ready()
    while True:
        child = subprocess.Popen(sleeper(), stdout=subprocess.PIPE)
        begun = wait.begin()
        os.read(child.stdout.fileno(), 64)  # here
        wait.end(begun)
        child.stdout.close()
        child.wait()

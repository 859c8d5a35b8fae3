"""A vfork: the parent is uninterruptible until its child execs, and holds the GIL."""

import os
import time

from .common import ENDING, folder, in_child, waits

SLOW = 0.04


@waits(
    "child-wait",
    "a vfork whose child is slow to exec: in D and no disk",
    never=["disk-read", "disk-write", "kernel-other", "sleep", "lock", "page-fault"],
)
def slow_exec(wait):
    path = os.path.join(folder(), "fifo")
    os.mkfifo(path)

    def release():
        # Blocks until somebody opens the other end.
        time.sleep(SLOW)
        os.close(os.open(path, os.O_WRONLY))

    in_child(release)
    # The child opens the pipe before it execs; it must not hold our stdout meanwhile.
    actions = [
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 9, path, os.O_RDONLY, 0),
    ]
    wait.ready()
    while not ENDING.is_set():
        begun = wait.begin()
        child = os.posix_spawn("/bin/true", ["true"], os.environ, file_actions=actions)  # here
        wait.end(begun)
        reap(child)


def reap(child):
    os.waitpid(child, 0)

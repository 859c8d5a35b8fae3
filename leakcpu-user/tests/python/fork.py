"""A process with threads forks; the child waits under the forking function's name."""

import os
import threading
import time


def idle():
    time.sleep(100000)


def in_child():
    print(os.getpid(), flush=True)
    time.sleep(100000)


for _ in range(3):
    threading.Thread(target=idle, daemon=True).start()


def fork_off():
    pid = os.fork()
    if pid == 0:
        in_child()
    os.waitpid(pid, 0)
    time.sleep(100000)


fork_off()

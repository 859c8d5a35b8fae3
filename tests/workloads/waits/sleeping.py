"""Sleeping, and what has a time limit and is no sleep."""

import ctypes
import os
import select
import signal
import struct
import threading
import time

from .common import Skip, waits

SHORT = 0.04
NOT_ASLEEP = ("sleep", "kernel-other")


@waits("sleep", "time.sleep", never=["poll-wait", "lock", "kernel-other"])
def nap(wait):
    wait.ready()
    while True:
        begun = wait.begin()
        time.sleep(SHORT)  # here
        wait.end(begun)


@waits("poll-wait", "select on a descriptor that stays quiet", never=NOT_ASLEEP)
def select_quiet(wait):
    quiet, other = os.pipe()
    wait.ready()
    while True:
        begun = wait.begin()
        select.select([quiet], [], [], SHORT)  # here
        wait.end(begun)
    os.close(other)


@waits("lock", "an Event with a timeout", never=NOT_ASLEEP)
def event_timed(wait):
    event = threading.Event()
    wait.ready()
    while True:
        begun = wait.begin()
        event.wait(SHORT)  # here
        wait.end(begun)


@waits("signal", "sigtimedwait", never=NOT_ASLEEP + ("stopped",))
def signal_timed(wait):
    wait.ready()
    while True:
        begun = wait.begin()
        signal.sigtimedwait([signal.SIGUSR2], SHORT)  # here
        wait.end(begun)


IO_URING_SETUP = 425
IO_URING_ENTER = 426
GETEVENTS = 1
EXT_ARG = 8


@waits("io-uring", "io_uring_enter for a completion that does not come", never=NOT_ASLEEP)
def ring(wait):
    call = ctypes.CDLL(None, use_errno=True).syscall
    parameters = ctypes.create_string_buffer(120)
    fd = call(IO_URING_SETUP, 1, parameters)
    if fd < 0:
        raise Skip("io_uring_setup: " + os.strerror(ctypes.get_errno()))
    timeout = ctypes.create_string_buffer(struct.pack("qq", 0, int(SHORT * 1e9)))
    extra = ctypes.create_string_buffer(
        struct.pack("QIIQ", 0, 0, 0, ctypes.addressof(timeout))
    )
    size = ctypes.c_size_t(24)
    wait.ready()
    while True:
        begun = wait.begin()
        call(IO_URING_ENTER, fd, 0, 1, GETEVENTS | EXT_ARG, extra, size)  # here
        wait.end(begun)

"""Threads that wait in many ways; one thread reports where each stands."""

import asyncio
import functools
import json
import os
import select
import socket
import sys
import threading
import time
import traceback

FOREVER = 100000
native_ids = {}
started = []


def worker(name):
    def mark(function):
        def run():
            native_ids[threading.get_ident()] = (name, threading.get_native_id())
            function()

        started.append(threading.Thread(target=run, daemon=True))
        return function

    return mark


@worker("sleep")
def sleeper():
    time.sleep(FOREVER)


@worker("lock")
def on_a_lock():
    lock = threading.Lock()
    with lock:
        lock.acquire()


@worker("pipe")
def on_a_pipe():
    r, w = os.pipe()
    os.read(
        r,
        1,
    )


@worker("accept")
def on_a_socket():
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen()
    server.accept()


@worker("poll")
def on_poll():
    select.poll().poll(FOREVER)


@worker("non-ascii")
def naïve_größe():
    def 名前():
        time.sleep(FOREVER)

    名前()


SOURCE = """
class Størrelse:
    def 大小(self):
        time.sleep(FOREVER)

def 𝓯():
    Størrelse().大小()

𝓯()
"""


@worker("non-ascii file")
def in_other_files():
    # Latin-1, UCS-2, UCS-4 and undecodable file names.
    def at(path, inner):
        exec(compile("inner()", path, "exec"), {"inner": inner})

    def last():
        exec(compile(SOURCE, "/tmp/ファイル/🐍.py", "exec"), {"time": time, "FOREVER": FOREVER})

    at("/tmp/größe.py", lambda: at("/tmp/中文.py", lambda: at("/tmp/bad\udce9.py", last)))


@worker("generator")
def through_generators():
    def numbers():
        yield 1
        time.sleep(FOREVER)

    def outer():
        yield from numbers()

    for _ in (x + 1 for x in outer()):
        pass


class Base:
    def method(self):
        return sorted([2, 1], key=lambda x: self.key(x))

    def key(self, x):
        return list(map(self.wait, [x]))

    @staticmethod
    def helper():
        time.sleep(FOREVER)

    @classmethod
    def wait(cls, x):
        [cls.helper() for _ in range(x)]

    def __repr__(self):
        self.method()
        return ""


@worker("methods through C")
def methods():
    functools.partial(repr, Base())()


@worker("class body")
def class_body():
    class Waiting:
        time.sleep(FOREVER)


@worker("coroutine")
def coroutine():
    async def inner():
        time.sleep(FOREVER)

    async def middle():
        async with Manager():
            await inner()

    class Manager:
        async def __aenter__(self):
            pass

        async def __aexit__(self, *args):
            pass

    asyncio.new_event_loop().run_until_complete(middle())


@worker("epoll")
def event_loop():
    loop = asyncio.new_event_loop()
    loop.run_forever()


@worker("recursion")
def recursion():
    def down(n):
        if n == 0:
            time.sleep(FOREVER)
        else:
            down(n - 1)

    down(300)


@worker("except")
def while_handling():
    try:
        raise ValueError
    except ValueError:
        try:
            1 / 0
        finally:
            time.sleep(
                FOREVER
            )


def frames_of(frame):
    frames = []
    while frame:
        code = frame.f_code
        frames.append(
            {
                "name": getattr(code, "co_qualname", code.co_name),
                "file": code.co_filename.encode("utf-8", "replace").decode(),
                "first_line": code.co_firstlineno,
                "line": frame.f_lineno,
            }
        )
        frame = frame.f_back
    return frames


def is_waiting(tid):
    with open("/proc/self/task/%d/stat" % tid) as f:
        return f.read().rpartition(")")[2].split()[0] == "S"


def report(main_ident, main_tid):
    try:
        tell(main_ident, main_tid)
    except BaseException:
        traceback.print_exc()
        os._exit(1)  # the test must not wait for an answer
    time.sleep(FOREVER)


def tell(main_ident, main_tid):
    native_ids[main_ident] = ("main", main_tid)
    while len(native_ids) < len(started) + 1:
        time.sleep(0.01)
    # All asleep, ten times in a row: nobody is still on the way to its wait.
    quiet = 0
    while quiet < 10:
        quiet = quiet + 1 if all(is_waiting(tid) for _, tid in native_ids.values()) else 0
        time.sleep(0.01)
    frames = sys._current_frames()
    answer = {
        "version": "%d.%d.%d" % sys.version_info[:3],
        "threads": [
            {"what": what, "tid": tid, "ident": ident, "frames": frames_of(frames[ident])}
            for ident, (what, tid) in native_ids.items()
        ],
    }
    del frames
    print(json.dumps(answer), flush=True)


def main():
    for thread in started:
        thread.start()
    arguments = (threading.get_ident(), threading.get_native_id())
    threading.Thread(target=report, args=arguments, daemon=True).start()
    sys.stdin.readline()


main()

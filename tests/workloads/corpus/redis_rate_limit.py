"""Calls a script of Redis that takes 25 ms, and waits for its answer."""

import os

import own_clocks
import redis

SCRIPT = """
local function micros() local t = redis.call('time'); return t[1] * 1000000 + t[2] end
local start = micros()
while micros() - start < 25000 do end
return 1
"""


class Limiter:
    def __init__(self, client):
        self.allow = client.register_script(SCRIPT)

    def may_pass(self):
        with own_clocks.waiting("network"):
            return self.allow()  # here


def main():
    limiter = Limiter(redis.Redis(unix_socket_path=os.environ["PYOBSERVE_CORPUS_REDIS"]))
    limiter.may_pass()
    own_clocks.ready()
    while True:
        limiter.may_pass()


main()

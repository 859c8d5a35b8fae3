"""Waits in a generated function; when told, frees it and generates others in its place."""

import gc
import sys

lines = iter(sys.stdin.readline, "")


def generate(n):
    scope = {"lines": lines}
    exec(compile("\n" * n + "def generated_%d():\n    next(lines)\n" % n, "<generated %d>" % n, "exec"), scope)
    return scope["generated_%d" % n]


print("READY", flush=True)
function = generate(1)
function()
del function
gc.collect()
keep = [generate(n) for n in range(2, 2000)]
print("FREED", flush=True)
keep[0]()

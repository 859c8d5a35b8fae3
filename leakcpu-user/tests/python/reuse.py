"""Waits in a generated function; when told, frees it and puts another in its place."""

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
other = generate(2).__code__
address = id(function.__code__)
del function
gc.collect()
keep = []
for n in range(3, 5000):
    keep.append(other.replace(co_name="generated_%d" % n))
    if id(keep[-1]) == address:
        break
print("REPLACED" if id(keep[-1]) == address else "FREED", flush=True)
next(lines)

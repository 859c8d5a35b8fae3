"""Code objects that come and go at the same addresses, each under a name of its own.

`exec` and `compile` make functions of equal size under new names, in the same file name,
in others, in the names of real files; each computes for a while and is freed. So are
data classes with one generated method each, `__init__`, `__eq__` or `__repr__`, which all
begin at line 2 of `<string>`.

`reused.py MICROSECONDS`: how long each computes, and so about how long each lives.

The last line has every spell of computing, [name, begin, end, CPU time] by the thread's
own clocks, and how often an address got another name.
"""

import dataclasses
import json
import os
import sys
import threading
import time

SPELL_NS = int(sys.argv[1]) * 1000
FILES = ("<string>", "<one>", "<two>", os.path.abspath(__file__), json.__file__, os.__file__)
SOURCE = """
def {name}(clock, until):
    total = 0
    while clock() < until:
        for number in range(200):
            total += number * number % 7
    return total
"""

spells = []
names_at = {}
stop = threading.Event()


def clocked(name, code, function, *arguments):
    names_at.setdefault(id(code), set()).add(name)
    begin, cpu_begin = time.time_ns(), time.thread_time_ns()
    function(*arguments)
    spells.append((name, begin, time.time_ns(), time.thread_time_ns() - cpu_begin))


def compute():
    until = time.thread_time_ns() + SPELL_NS
    total = 0
    while time.thread_time_ns() < until:
        total += sum(range(200))
    return total


def short_lived(number):
    """Names of equal length, so that each fits where another was."""
    name = "spell_%08d" % number
    space = {}
    source = "\n" * (number % 3) + SOURCE.format(name=name)
    exec(compile(source, FILES[number % len(FILES)], "exec"), space)
    function = space.pop(name)
    until = time.thread_time_ns() + SPELL_NS
    clocked(name, function.__code__, function, time.thread_time_ns, until)


class Costly:
    """Compares and says what it is by computing."""

    def __eq__(self, other):
        return compute() > 0

    def __repr__(self):
        return str(compute())


def with_init():
    @dataclasses.dataclass(eq=False, repr=False)
    class WithInit:
        value: int = dataclasses.field(default_factory=compute)

    clocked("__init__", WithInit.__init__.__code__, WithInit)


def with_eq():
    @dataclasses.dataclass(init=False, repr=False)
    class WithEq:
        value: object = Costly()

    one, other = WithEq(), WithEq()
    # The same object on both sides is not compared.
    other.value = Costly()
    clocked("__eq__", WithEq.__eq__.__code__, one.__eq__, other)


def with_repr():
    @dataclasses.dataclass(init=False, eq=False)
    class WithRepr:
        value: object = Costly()

    code = getattr(WithRepr.__repr__, "__wrapped__", WithRepr.__repr__).__code__
    clocked("__repr__", code, repr, WithRepr())


def churn():
    number = 0
    while not stop.is_set():
        for make in (with_init, with_eq, with_repr):
            for _ in range(4):
                short_lived(number)
                number += 1
            make()


Costly.__hash__ = object.__hash__
thread = threading.Thread(target=churn, name="churn")
thread.start()
print(
    json.dumps({"ready": True, "pid": os.getpid(), "tid": thread.native_id}),
    flush=True,
)
while os.read(0, 4096):
    pass
stop.set()
thread.join()
reused = sum(len(names) - 1 for names in names_at.values())
print(json.dumps({"done": True, "spells": spells, "reused": reused}), flush=True)

"""Calls in every way that CPython has, over and over, so that which stacks are possible
is known.

`calls.py rehearse`: runs the program under `sys.setprofile` and prints every stack that
there was when a frame began or went on, as lists of functions, outermost first.
`calls.py run`: runs it from the first byte on stdin until stdin closes.
With `exchange` as second argument its leaves block: each hands a byte to a process on
the same CPU and waits until it comes back.

With `greenlets` it switches between greenlets, too, for an interpreter that has them.

Otherwise the program makes no system calls. It frees no code object and runs without
the cyclic garbage collector: which stacks there are depends on nothing but the program.
"""

import contextlib
import fcntl
import functools
import gc
import itertools
import json
import os
import re
import sys
import time
import types

WARM = 60


TURNS = itertools.count(1)


def exchange():
    os.write(THERE, b"x")
    os.read(BACK, 1)
    # Linux 6.18 keeps the kernel's own threads from a CPU that two processes hand to each other all
    # the time, for up to minutes; whoever detaches probes waits for one of them.
    if next(TURNS) % 1000 == 0:
        time.sleep(0.002)


touch = int


def leaf(value):
    touch()
    return value


# -- functions: recursive, mutually recursive, with every form of arguments


def fibonacci(n):
    return leaf(n) if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


def is_even(n):
    return True if n == 0 else is_odd(n - 1)


def is_odd(n):
    return False if n == 0 else is_even(n - 1)


def defaults(a, b=1, *rest, c=2, **others):
    return leaf(a + b + c + len(rest) + len(others))


def arguments():
    defaults(1)
    defaults(1, 2, 3, c=4, d=5)
    defaults(*(1, 2), **{"c": 3})
    return functools.partial(defaults, 1, c=3)(2)


def closures(n):
    def inner(m):
        def innermost():
            return leaf(n + m)

        return innermost()

    return inner(1) + (lambda m: inner(m))(2)


def wide(n):
    """Frames so large that a few of them fill a chunk of the data stack (16 kB)."""
    a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = a8 = a9 = n
    return WIDE(n - 1) + leaf(a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9) if n else 0


def widened():
    names = ["v%d" % i for i in range(220)]
    source = "def much_wider(n):\n    %s = n\n    return much_wider(n - 1) + leaf(v0) if n else 0\n"
    space = {"leaf": leaf}
    exec(compile(source % " = ".join(names), "<widened>", "exec"), space)
    return space["much_wider"]


WIDE = wide
much_wider = widened()


def deep():
    for _ in range(2):
        wide(3)
    much_wider(12)


# -- methods and what stands for them


class Meta(type):
    @classmethod
    def __prepare__(cls, name, bases):
        leaf(name)
        return {}

    def __new__(cls, name, bases, body):
        leaf(name)
        return super().__new__(cls, name, bases, body)

    def __call__(cls, *args):
        leaf(cls)
        return super().__call__(*args)


class Named:
    def __set_name__(self, owner, name):
        leaf(name)

    def __get__(self, instance, owner):
        return leaf(1)

    def __set__(self, instance, value):
        leaf(value)


class Base:
    def __init_subclass__(cls):
        leaf(cls)

    def __init__(self, value):
        self.value = leaf(value)

    def method(self):
        return leaf(self.value)


class Derived(Base):
    descriptor = Named()

    def __init__(self, value):
        super().__init__(value)

    def method(self):
        return super().method() + 1

    @property
    def attribute(self):
        return leaf(self.value)

    @staticmethod
    def static():
        return leaf(1)

    @classmethod
    def of_class(cls):
        return cls.static()

    def __getattr__(self, name):
        return leaf(name)

    def __call__(self, value):
        return leaf(value)

    def __add__(self, other):
        return leaf(self.value)

    def __eq__(self, other):
        return leaf(self.value == other.value)

    def __lt__(self, other):
        return leaf(self.value < other.value)

    def __hash__(self):
        return leaf(1)

    def __getitem__(self, index):
        if index > 2:
            raise IndexError
        return leaf(index)

    def __contains__(self, value):
        return leaf(False)

    def __len__(self):
        return leaf(1)

    def __bool__(self):
        return leaf(True)

    def __str__(self):
        return leaf("text")

    def __format__(self, spec):
        return str(self)


class Overridden:
    def __getattribute__(self, name):
        return leaf(1)


class Small:
    def __init__(self):
        self.value = 1


class Made:
    def __new__(cls, *args):
        leaf(1)
        return super().__new__(cls)

    def __init__(self, *args):
        leaf(2)


class Node(metaclass=Meta):
    pass


class Counter:
    def __init__(self):
        self.left = 3

    def __iter__(self):
        return self

    def __next__(self):
        if self.left == 0:
            raise StopIteration
        self.left -= 1
        return leaf(self.left)


def methods():
    derived = Derived(1)
    other = Derived(2)
    derived.method()
    method = derived.method
    method()
    derived.attribute
    derived.descriptor
    derived.descriptor = 2
    derived.missing
    Derived.static()
    Derived.of_class()
    derived(1)
    derived + other
    derived == other
    derived[0]
    7 in derived
    bool(derived)
    len(derived)
    if derived:
        "{}".format(derived)
    f"{derived} {derived!s}"
    {derived: 1}[derived]
    sorted([derived, other])
    list(derived)
    Overridden().anything
    Small()
    Made(1)
    Node()
    for _ in Counter():
        pass
    first, second, third = Counter()
    return list(map(Base, (1, 2)))


def classes():
    class Local(Base):
        value = leaf(1)
        named = Named()

        def method(self):
            return leaf(2)

    class WithMeta(metaclass=Meta):
        value = leaf(1)

    type("Dynamic", (Base,), {})
    return Local(1).method()


# -- destructors: run while a frame is cleared, a variable replaced, a list emptied


class Dying:
    def __init__(self, depth=0):
        self.depth = depth

    def __del__(self):
        leaf(self.depth)
        if self.depth:
            inner = Dying(self.depth - 1)
            leaf(inner.depth)


def dies_on_return():
    dying = Dying()
    leaf(dying)


def dies_as_argument(dying):
    return leaf(1)


def dies_while_unwound():
    dying = Dying(1)
    raise ValueError(dying.depth)


def generator_with_dying():
    dying = Dying()
    yield leaf(dying.depth)
    yield 2


def destructors():
    dies_on_return()
    dies_as_argument(Dying(1))
    try:
        dies_while_unwound()
    except ValueError:
        leaf(1)
    dying = Dying(2)
    dying = Dying()
    del dying
    many = [Dying(), Dying()]
    many.clear()
    next(generator_with_dying())


# -- generators


def numbers(n):
    for i in range(n):
        yield leaf(i)


def delegating(n):
    yield leaf(-1)
    got = yield from numbers(n)
    yield from delegated_return(n)
    return got


def delegated_return(n):
    yield n
    return leaf(n)


def receiving():
    got = 0
    while got is not None:
        got = yield leaf(got)


def protected():
    try:
        while True:
            try:
                yield leaf(1)
            except KeyError:
                leaf(2)
    finally:
        leaf(3)


def tree(n):
    if n:
        yield from tree(n - 1)
        yield leaf(n)
        yield from tree(n - 1)


def consume(iterable):
    for _ in iterable:
        leaf(1)


def generators():
    for i in numbers(3):
        leaf(i)
    sum(numbers(3))
    list(delegating(2))
    "".join(str(leaf(i)) for i in numbers(2))
    any(leaf(i) > 5 for i in range(3))
    consume(leaf(i) for i in numbers(2))
    consume(tree(3))
    first, *rest = numbers(3)
    talking = receiving()
    next(talking)
    talking.send(1)
    with contextlib.suppress(StopIteration):
        talking.send(None)
    guarded = protected()
    next(guarded)
    guarded.throw(KeyError())
    guarded.close()
    dropped = protected()
    next(dropped)
    del dropped
    with contextlib.suppress(ValueError):
        raising = numbers(2)
        next(raising)
        raising.throw(ValueError())


# -- coroutines, driven by hand


@types.coroutine
def suspend(value):
    got = yield leaf(value)
    return got


class Awaitable:
    def __await__(self):
        leaf(1)
        yield from suspend(2).__await__() if hasattr(suspend(0), "__await__") else suspend(2)


async def innermost(n):
    await suspend(n)
    return leaf(n)


async def inner(n):
    leaf(n)
    return await innermost(n)


async def asynchronous_numbers(n):
    for i in range(n):
        await innermost(i)
        yield leaf(i)


class Manager:
    async def __aenter__(self):
        return await innermost(1)

    async def __aexit__(self, *what):
        await suspend(2)
        return leaf(True)


class Steps:
    def __init__(self, n):
        self.left = n

    def __aiter__(self):
        return self

    async def __anext__(self):
        if self.left == 0:
            raise StopAsyncIteration
        self.left -= 1
        return await innermost(self.left)


async def coroutine():
    await inner(1)
    await Awaitable()
    async with Manager() as managed:
        leaf(managed)
        raise KeyError
    async for i in Steps(2):
        leaf(i)
    async for i in asynchronous_numbers(2):
        leaf(i)
    values = [leaf(i) async for i in asynchronous_numbers(2)]
    return values + [await innermost(i) for i in range(2)]


def drive(running):
    try:
        while True:
            running.send(None)
    except StopIteration as result:
        return leaf(result.value)


def coroutines():
    drive(coroutine())
    left = inner(1)
    left.send(None)
    left.close()
    thrown = inner(1)
    thrown.send(None)
    with contextlib.suppress(KeyError):
        thrown.throw(KeyError())


# -- comprehensions


def comprehensions():
    [leaf(i) for i in range(3)]
    {leaf(i) for i in range(3)}
    {leaf(i): leaf(i) for i in range(2)}
    [[leaf(i + j) for i in range(2)] for j in range(2)]
    n = 1
    return [(lambda i: leaf(i + n))(i) for i in range(2)]


# -- called back by C


def by_key(value):
    return leaf(-value)


def replace(match):
    return leaf(match.group().upper())


PATTERN = re.compile("[a-c]")


@functools.lru_cache(maxsize=1)
def cached(n):
    return leaf(n)


def decorate(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


@decorate
@decorate
def decorated(n):
    return leaf(n)


@functools.singledispatch
def dispatched(value):
    return leaf(value)


@dispatched.register(int)
def dispatched_int(value):
    return leaf(value)


def callbacks():
    sorted((3, 1, 2), key=by_key)
    [3, 1, 2].sort(key=lambda value: leaf(value))
    max((1, 2), key=by_key)
    list(map(leaf, (1, 2)))
    list(map(fibonacci, (2, 3)))
    list(filter(by_key, (1, 2)))
    functools.reduce(lambda a, b: leaf(a + b), (1, 2, 3))
    PATTERN.sub(replace, "abcd")
    cached(1)
    cached(2)
    decorated(1)
    dispatched("a")
    dispatched(1)
    sorted((2, 1), key=functools.cmp_to_key(lambda a, b: leaf(a - b)))
    list(map(functools.partial(defaults, 1), (1, 2)))
    list(iter(functools.partial(leaf, None), None))
    consume(zip(numbers(2), map(by_key, numbers(2))))
    return dict.fromkeys(numbers(2))


# -- exceptions and with


def fails(n):
    if n:
        fails(n - 1)
    raise ValueError(leaf(n))


def fails_with_finally():
    try:
        fails(2)
    finally:
        leaf(1)


def reraises():
    try:
        fails(1)
    except ValueError as error:
        leaf(1)
        raise KeyError from error


class Context:
    def __enter__(self):
        return leaf(1)

    def __exit__(self, *what):
        return leaf(True)


@contextlib.contextmanager
def managing():
    leaf(1)
    try:
        yield leaf(2)
    except ValueError:
        leaf(3)
    finally:
        leaf(4)


def exceptions():
    for function in (fails_with_finally, reraises):
        try:
            function()
        except (ValueError, KeyError):
            leaf(1)
    with Context():
        fails(1)
    with Context() as entered, managing():
        leaf(entered)
    with managing():
        fails(1)
    with contextlib.ExitStack() as stack:
        stack.callback(leaf, 1)
        stack.enter_context(managing())


# -- eval and exec

EVALUATED = compile("leaf(1) + sum(leaf(i) for i in range(2))", "<evaluated>", "eval")
EXECUTED = compile(
    "def executed(n):\n    return leaf(n)\n\nclass Executed:\n    value = executed(1)\n\nexecuted(2)\n",
    "<executed>",
    "exec",
)


def evaluations():
    eval(EVALUATED, {"leaf": leaf})
    exec(EXECUTED, {"leaf": leaf, "__name__": "executed"})
    eval(EVALUATED, globals(), {"leaf": by_key})


# -- greenlets: stacks with roots of their own


def away(n):
    home = greenlet.getcurrent().parent
    for i in range(n):
        home.switch(leaf(i))
    sum(switching(home, n))
    return leaf(fibonacci(2))


def switching(home, n):
    for i in range(n):
        home.switch(i)
        yield leaf(i)


def raises_away():
    try:
        greenlet.getcurrent().parent.switch(1)
    except ValueError:
        return leaf(1)


def nested():
    return leaf(greenlet.greenlet(away).switch(1))


def greenlets():
    other = greenlet.greenlet(away)
    other.switch(2)
    while not other.dead:
        leaf(other.switch())
    thrown = greenlet.greenlet(raises_away)
    thrown.switch()
    thrown.throw(ValueError())
    greenlet.greenlet(nested).switch()
    # Ends while it is suspended.
    greenlet.greenlet(raises_away).switch()


# --


def program():
    fibonacci(5)
    is_even(4)
    arguments()
    closures(1)
    deep()
    methods()
    classes()
    destructors()
    generators()
    coroutines()
    comprehensions()
    callbacks()
    exceptions()
    evaluations()
    if greenlet is not None:
        greenlets()


def forever(rounds):
    for _ in rounds:
        program()


class Rehearsal:
    """Every stack that there was, as indices into the functions seen."""

    def __init__(self):
        self.functions = {}
        self.stacks = set()

    def __call__(self, frame, event, _):
        if event != "call":
            return
        stack = []
        while frame is not None:
            code = frame.f_code
            name = getattr(code, "co_qualname", code.co_name)
            function = (name, code.co_filename, code.co_firstlineno)
            stack.append(self.functions.setdefault(function, len(self.functions)))
            frame = frame.f_back
        self.stacks.add(tuple(stack[::-1]))


def say(**what):
    print(json.dumps(what), flush=True)


def spare():
    """An endless iterator without frames of its own."""
    return iter(int, 1)


def end_with_stdin():
    """Has the kernel end this process when stdin closes: nobody reads it any more."""
    fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)


def start_peer():
    """Forks a process on this CPU that gives back every byte; returns both pipes."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    ours, their_out = os.pipe()
    their_in, out = os.pipe()
    if os.fork() == 0:
        os.close(out)
        os.close(ours)
        with contextlib.suppress(BrokenPipeError):
            while os.read(their_in, 1):
                os.write(their_out, b"x")
        os._exit(0)
    os.close(their_in)
    os.close(their_out)
    return out, ours


mode = sys.argv[1]
gc.disable()
greenlet = None
if sys.argv[2:] == ["greenlets"]:
    import greenlet
if sys.argv[2:] == ["exchange"]:
    THERE, BACK = start_peer()
    touch = exchange
forever(range(WARM))
gc.collect()
if mode == "rehearse":
    rehearsal = Rehearsal()
    for _ in range(2):
        sys.setprofile(rehearsal)
        forever(range(1))
        sys.setprofile(None)
    say(
        ready=True,
        pid=os.getpid(),
        functions=list(rehearsal.functions),
        roots=["<module>", "away", "raises_away", "nested"],
        stacks=sorted(rehearsal.stacks),
    )
    sys.stdin.read()
else:
    say(ready=True, pid=os.getpid())
    os.read(0, 1)
    end_with_stdin()
    forever(spare())

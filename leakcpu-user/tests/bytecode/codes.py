"""Code objects and what this interpreter's `dis` says of them, a line of JSON each.

codes.py dis LIMIT         about LIMIT instructions, spread over the standard library, with
                           what `dis` says of each; then functions that have run hot, with
                           their code as it is run (3.11 and later), and functions that
                           are monitored (3.12 and later); then the stack effects
codes.py snippets          the functions of snippets.py beside it
codes.py operations        those of operations.py
codes.py purity            those of purity.py
codes.py dropped           those of dropped.py
codes.py hot_loops         those of hot_loops.py
codes.py live              the same functions, imported, and others that have run hot, with
                           their addresses; all live until stdin closes
codes.py judge [PATH...]   the standard library and what is installed beside it, or these
                           files and folders

Fields: file, name, line, minor, code, exceptions (hexadecimal), names, constants, locals,
cells, lines ([offset, line] where a line begins); for `dis` also dis ([offset, operation,
argument or null, jump target or null]) and, if it has run, adaptive (hexadecimal); for
`live` also address, adaptive, arguments, takes_more and is_generator.
"""

import dis
import gc
import inspect
import json
import os
import sys
import types
import warnings

GENERATORS = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
MINOR = sys.version_info[1]
HERE = os.path.dirname(os.path.abspath(__file__))


def all_codes(code):
    yield code
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            yield from all_codes(const)


def constant(value):
    if value is None:
        return ["none"]
    if isinstance(value, bool):
        return ["bool", value]
    if isinstance(value, int):
        return ["int", value] if -(1 << 63) <= value < 1 << 63 else ["other"]
    if isinstance(value, float):
        return ["float", value] if value - value == 0 else ["other"]
    if isinstance(value, str):
        return ["text", value[:100].encode("utf-8", "replace").decode()]
    if isinstance(value, tuple) and value and all(isinstance(item, str) for item in value):
        return ["names", [item.encode("utf-8", "replace").decode() for item in value]]
    if isinstance(value, (tuple, frozenset)):
        return ["tuple"]
    return ["other"]


def locals_of(code):
    """`co_localsplusnames`: as the compiler counts them, a cell that is an argument once."""
    if MINOR < 11:
        return list(code.co_varnames)
    cells = [name for name in code.co_cellvars if name not in code.co_varnames]
    return list(code.co_varnames) + cells + list(code.co_freevars)


def record(code, **more):
    return dict(
        file=code.co_filename,
        name=getattr(code, "co_qualname", code.co_name),
        line=code.co_firstlineno,
        minor=MINOR,
        code=code.co_code.hex(),
        exceptions=getattr(code, "co_exceptiontable", b"").hex(),
        names=list(code.co_names),
        constants=[constant(value) for value in code.co_consts],
        locals=locals_of(code),
        cells=list(code.co_cellvars + code.co_freevars),
        lines=[pair for pair in dis.findlinestarts(code) if pair[1] is not None],
        **more
    )


def say(something):
    json.dump(something, sys.stdout)
    sys.stdout.write("\n")


seen = set()


def said(code):
    """What `dis` says, but for the instructions that only lengthen an argument."""
    found = []
    for one in dis.get_instructions(code):
        if one.opname == "EXTENDED_ARG":
            continue
        is_jump = one.opcode in dis.hasjabs or one.opcode in dis.hasjrel
        found.append([one.offset, one.opname, one.arg, one.argval if is_jump else None])
        seen.add((one.opcode, one.arg))
    return found


def python_files(folder):
    found = []
    for base, _, names in os.walk(folder):
        found += [os.path.join(base, name) for name in names if name.endswith(".py")]
    return sorted(found)


def compiled(path):
    try:
        with open(path, "rb") as file:
            source = file.read()
        return compile(source, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, OSError):
        return None  # test data


def library():
    return os.path.dirname(os.__file__)


def hot(numbers):
    """Runs many kinds of operations often enough to be specialized."""

    class Point(object):
        __slots__ = ("x",)

        def __init__(self, x):
            self.x = x

        def __bool__(self):
            return self.x > 0

    total, text, floats = 0, "", 0.5
    table = {"a": 1}
    for number in numbers:
        point = Point(number)
        total += number * 2 - len(table)
        floats = floats * 1.5 - floats
        text = text[:3] + str(number)
        table["a"] = total
        pair = (number, table["a"])
        first, second = pair
        if point and isinstance(second, int) and "a" in table and text != "":
            numbers[0] = numbers[0]
        try:
            first = [item for item in pair if item is not None]
        except ValueError:
            continue
        while first:
            first.pop()
    return total


def waiting(event, limit):
    count = 0
    while not event():
        count += 1
        if count > limit:
            break
    return count


def warm_up():
    """Code that has run: ours, and what the standard library does for it."""
    import textwrap

    class Half(object):
        pass

    for turn in range(100):
        hot(list(range(1, 20)))
        waiting(lambda: turn < 0, 5)
        json.loads(json.dumps({"a": [1, 2.5, None, {"b": "c"}]}, indent=1))
        textwrap.fill("some words that are wrapped " * 5, 30)
    codes = [one.__code__ for one in gc.get_objects() if isinstance(one, types.FunctionType)]
    return codes


def monitored():
    """A function with other events than lines monitored, and one with lines."""
    monitoring = sys.monitoring
    monitoring.use_tool_id(4, "codes")
    events = monitoring.events
    some = events.PY_START | events.PY_RETURN | events.CALL | events.JUMP | events.BRANCH
    for code, of in ((hot.__code__, some), (waiting.__code__, events.LINE)):
        monitoring.set_local_events(4, code, of)
    hot(list(range(1, 5)))
    waiting(lambda: True, 1)
    return hot.__code__, waiting.__code__


def say_dis(limit):
    files = [path for path in python_files(library()) if "-packages" not in path]
    # Spread over the whole library, the same files every time.
    files = files[:: max(1, len(files) // 60)]
    told = 0
    for path in files:
        code = compiled(path)
        for code in all_codes(code) if code else ():
            if told < limit:
                found = said(code)
                told += len(found)
                say(record(code, dis=found))
    if MINOR >= 11:
        for code in warm_up()[:4000]:
            if told < 2 * limit and code._co_code_adaptive != code.co_code:
                found = said(code)
                told += len(found)
                say(record(code, dis=found, adaptive=code._co_code_adaptive.hex()))
    if MINOR >= 12:
        plain, lines = monitored()
        say(record(plain, dis=said(plain), adaptive=plain._co_code_adaptive.hex(), monitored=True))
        say(record(lines, dis=said(lines), adaptive=lines._co_code_adaptive.hex(), hidden=True))
    effects = []
    for opcode, arg in sorted(seen, key=str):
        both = [dis.stack_effect(opcode, arg, jump=jump) for jump in (False, True)]
        effects.append([opcode, dis.opname[opcode], 0 if arg is None else arg] + both)
    say(dict(minor=MINOR, effects=effects))


def say_live():
    import snippets

    warm_up()
    codes = [one.__code__ for one in vars(snippets).values() if isinstance(one, types.FunctionType)]
    codes = [code for code in codes if code.co_filename == snippets.__file__]
    for code in codes + [hot.__code__, waiting.__code__]:
        adaptive = code._co_code_adaptive if MINOR >= 11 else code.co_code
        more = dict(
            arguments=code.co_argcount + code.co_kwonlyargcount,
            takes_more=bool(code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS)),
            is_generator=bool(code.co_flags & GENERATORS),
        )
        say(record(code, address=id(code), adaptive=adaptive.hex(), **more))
    sys.stdout.write("\n")
    sys.stdout.flush()
    sys.stdin.read()


def main(what, *arguments):
    warnings.simplefilter("ignore")
    sys.setrecursionlimit(10000)
    if what == "dis":
        say_dis(int(arguments[0]))
        return
    if what == "live":
        say_live()
        return
    if what in ("snippets", "operations", "dropped", "hot_loops", "purity"):
        files = [os.path.join(HERE, what + ".py")]
    else:
        paths = arguments or (library(),)
        files = [file for path in paths for file in python_files(path) or [path]]
    for path in files:
        code = compiled(path)
        for code in all_codes(code) if code else ():
            say(record(code))


main(*sys.argv[1:])

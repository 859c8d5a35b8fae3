"""Functions that only compute, and others; `purity.rs` asks which, by their names."""

import math
from math import hypot

LIMIT = 3
seen = {}


def pure_recursion(rows, columns):
    if rows == 0 or columns == 0:
        return 1
    return pure_recursion(rows - 1, columns) + pure_recursion(rows, columns - 1)


def pure_math(zone):
    number = int(zone[5:])
    shortest = math.inf
    for stop in range(500):
        shortest = min(shortest, math.hypot(stop - number, (stop * 7 + number) % 50 + 1))
    return shortest


def pure_names(x, y=2, *, scale=1.0):
    return abs(round(hypot(x, y) * scale, 3)) // 1 + -x


def pure_text(text, width):
    total = 0
    for place, letter in enumerate(text):
        if letter in "aeiou" and not letter == "e":
            total += ord(letter) << place
    return "%s: %d of %5.2f" % (text, total, width) + f"{text!r:>10} {total}"


def pure_while(n):
    first, second = 0, 1
    while n > 0 and first < n:
        first, second = second, first + second
    return first, second, n if n else None


def pure_try(text):
    try:
        number = float(text)
    except ValueError as error:
        raise TypeError(text) from error
    assert number > 0, text
    return number


def pure_condition(a, b, c):
    if a is None or b is not None and isinstance(b, int):
        return c
    return max(a, b, key=abs) if 0 < a <= b < c else str(c)


def effect_append(zone):
    for stop in range(5):
        seen.append((zone, stop))


def effect_method(text):
    return text.upper()


def effect_subscript(key):
    seen[key] = 1
    return 1


def effect_attribute(point):
    point.x = 1
    return 1


def effect_global(n):
    global LIMIT
    LIMIT = n
    return n


def effect_delete(points):
    del points[0]


def effect_import(n):
    import cmath

    return cmath.sqrt(n)


def effect_print(n):
    print(n)
    return n


def effect_with(lock):
    with lock:
        return 1


def unsure_global(n):
    return n * LIMIT


def unsure_table(n):
    return seen[n]


def unsure_attribute(point):
    return point.x * 2


def unsure_function(n):
    return helper(n)


def unsure_argument(n):
    n = n // 2
    return n * n


def unsure_loop_argument(n, values):
    for n in values:
        pass
    return n


def unsure_argument_in_place(n):
    n += 1
    return n


def unsure_module(n):
    module = math
    return module.sqrt(n)


def unsure_list(n):
    return [n, n]


def unsure_dict(n):
    return {n: n}


def unsure_sorted(text):
    return sorted(text)


def unsure_comprehension(n):
    return [i * n for i in range(n)]


def unsure_iterator(text):
    return enumerate(text)


def unsure_inner(n):
    return sum(i * n for i in range(n))


def unsure_clock(n):
    import time

    return time.time() - n


def unsure_generator(n):
    yield n


async def unsure_coroutine(n):
    return await n


def unsure_closure(n):
    def unsure_cell(x):
        return x * n

    return unsure_cell


def helper(n):
    return n

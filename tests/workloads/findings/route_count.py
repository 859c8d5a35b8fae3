"""In how many ways a robot can cross a warehouse, by recursion."""

import functools

from shared import modes, ratio, ready


def ways(rows, columns):
    if rows == 0 or columns == 0:  # here
        return 1  # here
    return ways(rows - 1, columns) + ways(rows, columns - 1)  # here


@functools.lru_cache(maxsize=None)
def ways_kept(rows, columns):
    if rows == 0 or columns == 0:
        return 1
    return ways_kept(rows - 1, columns) + ways_kept(rows, columns - 1)


def sort_by_halves(numbers):
    if len(numbers) < 2:
        return numbers
    middle = len(numbers) // 2
    left, right = sort_by_halves(numbers[:middle]), sort_by_halves(numbers[middle:])
    merged = []
    while left and right:
        merged.append(left.pop() if left[-1] > right[-1] else right.pop())
    return left + right + merged[::-1]


def plan(count, halls):
    total = 0
    for rows, columns in halls:
        total += count(rows, columns)
    return total


def sort_all(shelves):
    for number in range(10):
        sort_by_halves([shelf * (number + 7) % 997 for shelf in shelves])


def main(work, *arguments):
    ready()
    while True:
        work(*arguments)


HALLS = [(8, 8)] * 10

modes(
    {
        "slow": lambda: main(plan, ways, HALLS),
        "fixed": lambda: main(plan, ways_kept, HALLS),
        "different": lambda: main(sort_all, range(500)),
        "ratio": lambda: ratio(lambda: plan(ways, HALLS), lambda: plan(ways_kept, HALLS)),
    }
)

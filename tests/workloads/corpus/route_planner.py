"""Shortest routes through a city grid: Dijkstra with a heap."""

import heapq

import own_clocks

SIDE = 60


def neighbours(place):
    x, y = place % SIDE, place // SIDE
    if x:
        yield place - 1
    if x + 1 < SIDE:
        yield place + 1
    if y:
        yield place - SIDE
    if y + 1 < SIDE:
        yield place + SIDE


def plan(start, tolls):
    cost = {start: 0}
    heap = [(0, start)]
    while heap:
        spent, place = heapq.heappop(heap)  # here
        if spent > cost[place]:
            continue
        for near in neighbours(place):  # here
            total = spent + tolls[near]  # here
            if total < cost.get(near, 1 << 30):  # here
                cost[near] = total  # here
                heapq.heappush(heap, (total, near))  # here
    return cost


def main():
    tolls = [1 + (n * 7919) % 17 for n in range(SIDE * SIDE)]
    own_clocks.ready()
    start = 0
    while True:
        plan(start, tolls)
        start = (start + 997) % len(tolls)


main()

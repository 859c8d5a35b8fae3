"""Drains a queue without waiting, as it may: there is always something in it."""

import queue

import own_clocks


def triage(tickets, board):
    try:
        while True:
            number, text = tickets.get_nowait()  # here
            column = sum(map(ord, text)) % 5  # here
            board[column].append(number)  # here
    except queue.Empty:
        return sum(map(len, board))


def main():
    own_clocks.ready()
    backlog = [(n, "ticket %d: printer on fire" % n) for n in range(2000)]
    tickets = queue.SimpleQueue()
    while True:
        for ticket in backlog:
            tickets.put(ticket)
        triage(tickets, [[] for _ in range(5)])


main()

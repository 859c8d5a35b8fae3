"""Sends questions to a worker process and waits for each answer on their pipe."""

import multiprocessing
import time

import own_clocks


def answer(connection):
    while True:
        question = connection.recv()
        time.sleep(0.03)
        connection.send(question * 2)


def ask(connection, question):
    connection.send(question)
    with own_clocks.waiting("pipe"):
        return connection.recv()  # here


def main():
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    context.Process(target=answer, args=(theirs,), daemon=True).start()
    own_clocks.ready()
    total = 0
    while True:
        total = ask(ours, total % 1000 + 1)


main()

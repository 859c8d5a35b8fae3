"""A coroutine that indexes a document, gives way, and indexes the next: work, not waiting."""

import asyncio

import own_clocks


class Index:
    def __init__(self):
        self.places = {}

    async def add_all(self, documents):
        number = 0
        while True:
            self.add(number, documents[number % len(documents)])
            number += 1
            await asyncio.sleep(0)

    def add(self, number, words):
        for at, word in enumerate(words):  # here
            self.places.setdefault(word, {})[number % 50] = at  # here


async def main():
    documents = [["word%d" % (n * k % 997) for n in range(400)] for k in range(1, 30)]
    own_clocks.ready()
    await Index().add_all(documents)


asyncio.run(main())

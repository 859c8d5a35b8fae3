"""A callback of the event loop that posts a slice of a ledger and puts itself into the loop
again for the next, so that others get their turn in between."""

import asyncio

import own_clocks

SLICE = 400


class Posting:
    def __init__(self, loop):
        self.loop = loop
        self.balances = {}
        self.position = 0
        self.finished = loop.create_future()

    def post_slice(self):
        for entry in range(self.position, self.position + SLICE):
            account = entry * 7919 % 1009
            self.balances[account] = self.balances.get(account, 0) + entry  # here
        self.position += SLICE
        self.loop.call_soon(self.post_slice)


async def main():
    posting = Posting(asyncio.get_running_loop())
    posting.post_slice()
    own_clocks.ready()
    await posting.finished


asyncio.run(main())

"""One coroutine and one connection: asks, awaits the answer, asks again. Not at rest."""

import asyncio

import own_clocks
from peers import Peer


class Directory:
    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    async def lookup(self, name):
        self.writer.write(name.encode() + b"\n")
        return await self.reader.readline()  # here


async def main():
    peer = Peer("line", 0.03)
    directory = Directory(*await asyncio.open_connection(*peer.address))
    own_clocks.ready()
    while True:
        await directory.lookup("ada")


asyncio.run(main())

"""A coroutine that waits for another to connect by giving way in a circle."""

import asyncio

import own_clocks


class Session:
    def __init__(self):
        self.connected = False

    async def connect(self):
        await asyncio.get_running_loop().create_future()
        self.connected = True

    async def ready(self):
        while not self.connected:  # here
            await asyncio.sleep(0)  # here


async def main():
    session = Session()
    connecting = asyncio.ensure_future(session.connect())
    own_clocks.ready()
    await session.ready()
    await connecting


asyncio.run(main())

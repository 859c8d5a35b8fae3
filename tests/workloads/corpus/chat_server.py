"""An asyncio server with three clients that have nothing to say."""

import asyncio

import own_clocks


class Room:
    def __init__(self):
        self.writers = set()

    async def join(self, reader, writer):
        self.writers.add(writer)
        while True:
            line = await reader.readline()
            if not line:
                break
            for other in self.writers:
                other.write(line)
        self.writers.discard(writer)


async def main():
    room = Room()
    server = await asyncio.start_server(room.join, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    clients = [await asyncio.open_connection(*address[:2]) for _ in range(3)]
    own_clocks.ready()
    await server.serve_forever()
    return clients


asyncio.run(main())

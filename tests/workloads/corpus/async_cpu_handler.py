"""An asyncio server whose handler computes for a fifth of a second while others wait."""

import asyncio

import own_clocks


def render(report):
    digest = 0
    for _ in range(40):
        for letter in report:  # here
            digest = (digest * 33 + ord(letter)) % 1000003  # here
    return digest


async def handle(reader, writer):
    while await reader.readline():
        writer.write(b"%d\n" % render("quarterly figures of the north " * 1500))
        await writer.drain()


async def client(address):
    reader, writer = await asyncio.open_connection(*address)
    while True:
        writer.write(b"report\n")
        await reader.readline()


async def main():
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()[:2]
    own_clocks.ready()
    await asyncio.gather(*(client(address) for _ in range(3)))


asyncio.run(main())

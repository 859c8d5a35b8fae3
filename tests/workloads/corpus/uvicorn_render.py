"""A uvicorn server under load whose handler renders a chart in Python, on the loop."""

import asyncio

import own_clocks
import uvicorn
from peers import Callers, free_port


def chart(width, height):
    rows = []
    for y in range(height):
        rows.append("".join("#" if (x * x + y * y) % 31 < y % 7 else "." for x in range(width)))  # here
    return "\n".join(rows).encode()


async def application(scope, receive, send):
    assert scope["type"] == "http"
    await receive()
    body = chart(900, 700)
    length = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": length})
    await send({"type": "http.response.body", "body": body})


class Server(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        self.callers = Callers(self.config.port, 2)
        own_clocks.ready()


def main():
    config = uvicorn.Config(
        application, port=free_port(), log_level="error", lifespan="off", loop="asyncio"
    )
    asyncio.run(Server(config).serve())


main()

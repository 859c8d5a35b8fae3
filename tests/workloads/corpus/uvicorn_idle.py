"""A uvicorn server that nobody calls."""

import asyncio

import own_clocks
import uvicorn


async def application(scope, receive, send):
    if scope["type"] == "http":
        await receive()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})


class Server(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        own_clocks.ready()


def main():
    config = uvicorn.Config(application, port=0, log_level="error", lifespan="off", loop="asyncio")
    asyncio.run(Server(config).serve())


main()

"""A uvicorn server under load whose coroutine calls requests, which blocks the loop."""

import asyncio

import own_clocks
import requests
import uvicorn
from peers import Callers, Peer, free_port


class Weather:
    def __init__(self, url):
        self.url = url
        self.session = requests.Session()

    def forecast(self):
        with own_clocks.waiting("network"):
            return self.session.get(self.url, timeout=10).content  # here

    async def __call__(self, scope, receive, send):
        await receive()
        body = self.forecast()
        length = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": length})
        await send({"type": "http.response.body", "body": body})


class Server(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        self.callers = Callers(self.config.port, 3)
        own_clocks.ready()


def main():
    config = uvicorn.Config(
        Weather(Peer("http", 0.12).url),
        port=free_port(),
        log_level="error",
        lifespan="off",
        loop="asyncio",
    )
    asyncio.run(Server(config).serve())


main()

"""An asyncio service whose handler calls a blocking HTTP client: the loop stands still."""

import asyncio
import urllib.request

import own_clocks
from peers import Peer


def rates(url):
    with own_clocks.waiting("network"):
        with urllib.request.urlopen(url, timeout=10) as page:  # here
            return page.read()


class Service:
    def __init__(self, url):
        self.url = url
        self.beats = 0

    async def heartbeat(self):
        while True:
            self.beats += 1
            await asyncio.sleep(0.05)

    async def handle(self):
        while True:
            rates(self.url)
            await asyncio.sleep(0.001)


async def main():
    service = Service(Peer("http", 0.2).url)
    own_clocks.ready()
    await asyncio.gather(service.heartbeat(), service.handle())


asyncio.run(main())

"""Asks three shops at once with aiohttp, waits for all, asks again."""

import asyncio

import aiohttp
import own_clocks
from peers import Peer


async def price(session, url):
    async with session.get(url) as response:
        return len(await response.read())


async def compare(session, urls):
    return min(await asyncio.gather(*(price(session, url) for url in urls)))  # here


async def main():
    shops = [Peer("http", seconds) for seconds in (0.05, 0.07, 0.09)]
    async with aiohttp.ClientSession() as session:
        own_clocks.ready()
        while True:
            await compare(session, [shop.url for shop in shops])


asyncio.run(main())

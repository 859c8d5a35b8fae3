"""Asks the weather stations of a town with aiohttp."""

import asyncio

import aiohttp

from shared import Peer, modes, ratio, ready


async def ask(session, url):
    async with session.get(url) as response:
        return (await response.json())["stock"]


async def warmest(session, urls):
    found = []
    for url in urls:
        found.append(await ask(session, url))  # here
    return max(found)


async def warmest_at_once(session, urls):
    return max(await asyncio.gather(*(ask(session, url) for url in urls)))


async def walk_pages(session, urls):
    page = 0
    while page < 70:
        page += await ask(session, "%s?page=%d" % (urls[0], page))


async def walk_districts(session, urls):
    await asyncio.gather(*(warmest(session, urls) for _ in range(4)))


async def once(work, urls):
    async with aiohttp.ClientSession() as session:
        await work(session, urls)


async def main(work, urls):
    async with aiohttp.ClientSession() as session:
        ready()
        while True:
            await work(session, urls)


def stations():
    return [Peer("http", 0.05).url + "/now" for _ in range(3)]


def compare(urls):
    ratio(lambda: asyncio.run(once(warmest, urls)), lambda: asyncio.run(once(warmest_at_once, urls)))


modes(
    {
        "slow": lambda: asyncio.run(main(warmest, stations())),
        "fixed": lambda: asyncio.run(main(warmest_at_once, stations())),
        "pagination": lambda: asyncio.run(main(walk_pages, stations())),
        "districts": lambda: asyncio.run(main(walk_districts, stations())),
        "ratio": lambda: compare(stations()),
    }
)

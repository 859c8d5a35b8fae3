"""A bot on an event loop that runs a command the blocking way."""

import asyncio
import subprocess

import own_clocks


class Bot:
    def __init__(self):
        self.answers = asyncio.Queue()

    def deploy(self):
        with own_clocks.waiting("child"):
            return subprocess.call(["sleep", "0.3"])  # here

    async def serve(self):
        while True:
            await self.answers.put(self.deploy())
            await asyncio.sleep(0.002)

    async def reply(self):
        while True:
            await self.answers.get()


async def main():
    bot = Bot()
    own_clocks.ready()
    await asyncio.gather(bot.serve(), bot.reply())


asyncio.run(main())

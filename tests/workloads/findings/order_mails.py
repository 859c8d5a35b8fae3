"""Confirms orders by mails that an asyncio service sends."""

import asyncio

from shared import modes, ready


class Mailer:
    def __init__(self):
        self.sent = 0

    async def confirm(self, order):
        await asyncio.sleep(0)
        self.sent += order > 0


async def accept(mailer, order):
    mailer.confirm(order)  # here
    await asyncio.sleep(0.001)


async def accept_and_wait(mailer, order):
    await mailer.confirm(order)
    await asyncio.sleep(0.001)


async def accept_and_go_on(mailer, order):
    task = asyncio.create_task(mailer.confirm(order))
    await asyncio.sleep(0.001)
    return task


async def accept_two(mailer, order):
    await asyncio.gather(mailer.confirm(order), mailer.confirm(order + 1))
    await asyncio.sleep(0.001)


async def main(handle):
    mailer = Mailer()
    ready()
    order = 0
    while True:
        order += 1
        await handle(mailer, order)


modes(
    {
        "slow": lambda: asyncio.run(main(accept)),
        "fixed": lambda: asyncio.run(main(accept_and_wait)),
        "tasks": lambda: asyncio.run(main(accept_and_go_on)),
        "gathered": lambda: asyncio.run(main(accept_two)),
    }
)

"""An aiohttp server that nobody calls."""

import aiohttp.web
import own_clocks


async def hello(_request):
    return aiohttp.web.Response(text="hello")


async def started(_app):
    own_clocks.ready()


def main():
    app = aiohttp.web.Application()
    app.router.add_get("/", hello)
    app.on_startup.append(started)
    aiohttp.web.run_app(app, host="127.0.0.1", port=0, print=None, handle_signals=False)


main()

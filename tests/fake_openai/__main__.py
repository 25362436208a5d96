"""`python -m tests.fake_openai --port 0`: serve until stdin ends, having written the port."""

import argparse
import asyncio
import gc
import sys

from aiohttp import web

from tests.fake_openai.server import Fake


async def _serve(fake: Fake, port: int) -> None:
    runner = web.AppRunner(
        fake.app(), handler_cancellation=True, access_log=None, shutdown_timeout=0.2
    )
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, backlog=1024)
    await site.start()
    gc.freeze()
    sys.stdout.write(f"{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    parent_is_gone = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, parent_is_gone.set)
    await parent_is_gone.wait()
    await runner.cleanup()


def main(fake: type[Fake] = Fake) -> None:
    """Serve on the port asked for; 0 takes a free one."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    asyncio.run(_serve(fake(), parser.parse_args().port))


if __name__ == "__main__":
    main()

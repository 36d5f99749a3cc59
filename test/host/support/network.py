"""What test hosts need to reach the world, and what of them the world reaches."""

import asyncio
import io
import re
import subprocess
from configparser import ConfigParser


async def scan(address: str) -> list[int]:
    """The TCP ports that accept a connection."""
    slots = asyncio.Semaphore(256)
    found = []

    async def attempt(port: int) -> None:
        async with slots:
            try:
                _, writer = await asyncio.wait_for(asyncio.open_connection(address, port), 20)
            except OSError:
                return
            found.append(port)
            writer.close()

    await asyncio.gather(*(attempt(port) for port in range(1, 65536)))
    return sorted(found)


def pip_configuration() -> str:
    """The engine host's pip settings of which index to ask and whom to trust, less what only this machine can reach."""
    listed = subprocess.run(["python3", "-m", "pip", "config", "list"], capture_output=True, text=True).stdout
    settings = {}
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        option = re.sub(r"^(global|install|:env:)\.", "", key)
        words = [word for word in value.strip("'\"").replace(r"\n", " ").split() if not word.startswith("file:")]
        if option in ("cert", "index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "retries") and words:
            settings[option] = " ".join(words)
    if not settings:
        return ""
    parser = ConfigParser(interpolation=None)
    parser["global"] = settings
    text = io.StringIO()
    parser.write(text)
    return text.getvalue()

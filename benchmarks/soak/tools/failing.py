import asyncio
import time

from langchain_core.tools import tool


@tool
async def raising(word: str) -> str:
    """Fail."""
    raise RuntimeError(f"{word} could not be found")


@tool
async def hanging(word: str) -> str:
    """Take for ever."""
    await asyncio.sleep(3600)
    return word


@tool
def blocking(word: str) -> str:
    """Keep a thread busy."""
    time.sleep(0.3)
    return f"{word} is known."

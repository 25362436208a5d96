from langchain_core.tools import tool

from bridge import policy


@policy(read_only=True)
@tool
async def lookup(word: str) -> str:
    """Look a word up."""
    return f"{word} is known."

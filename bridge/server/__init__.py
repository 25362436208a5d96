"""aiohttp: the socket, who may enter, health, and what can be watched."""

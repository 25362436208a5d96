"""One phone call: Call, Turn and the tools that run in it. No sockets, no LangChain."""

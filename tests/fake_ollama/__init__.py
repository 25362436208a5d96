"""A fake of Ollama's chat API in its own process: see `client.FakeOllama`.

Scripts are those of `tests.fake_openai`, spoken as lines of JSON: the line that is `done` comes
with a finish reason, and a tool call is one line, whole.
"""

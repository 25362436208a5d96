"""`python -m tests.fake_ollama --port 0`: serve until stdin ends, having written the port."""

from tests.fake_ollama.play import FakeChat
from tests.fake_openai.__main__ import main

if __name__ == "__main__":
    main(FakeChat)

"""`python -m tests.fake_anthropic --port 0`: serve until stdin ends, having written the port."""

from tests.fake_anthropic.play import FakeMessages
from tests.fake_openai.__main__ import main

if __name__ == "__main__":
    main(FakeMessages)

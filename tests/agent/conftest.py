from collections.abc import Iterator

import pytest

from tests.fake_openai.client import FakeOpenAI, running


@pytest.fixture(scope="module")
def fake_openai() -> Iterator[FakeOpenAI]:
    with running() as fake:
        yield fake

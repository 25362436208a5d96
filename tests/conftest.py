"""What every test shares: nothing may be left running."""

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator

import pytest
import structlog
from hypothesis import Phase, settings

from bridge.logs import configure_logs
from tests import loggers
from tests.fake_anthropic.client import FakeAnthropic
from tests.fake_anthropic.client import running as running_anthropic
from tests.fake_ollama.client import FakeOllama
from tests.fake_ollama.client import running as running_ollama
from tests.fake_openai.client import FakeOpenAI, running
from tests.wires import WIRES, ModelWire

# Ours by name, too: who has installed an older bridge than this folder's would not get it.
pytest_plugins = ["pytester", "bridge.testing.plugin", "tests.faults.counting", "tests.unseen"]

configure_logs(
    "debug", "json", private=True
)  # every log line is made; pytest shows those of a failed test

# Hypothesis explains a failure by tracing every line; CPython 3.11, when another thread wants to
# run, now and then loops for ever on entering a traced function.
settings.register_profile("untraced", phases=set(Phase) - {Phase.explain})
settings.load_profile("untraced")


def pytest_collection_finish() -> None:
    """Spare the garbage collector six thousand tests: each of its rounds would visit them all."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="module")
def what_a_module_leaves_is_looked_at_once() -> Iterator[None]:
    """Nor what tests import: with all of it a round takes a second, in which no loop goes on."""
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
async def no_task_is_left_running() -> AsyncIterator[None]:
    """Fail a test that leaves an asyncio task behind."""
    before = asyncio.all_tasks()
    yield
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    if left:  # what has just been cancelled needs a moment to end
        _, left = await asyncio.wait(left, timeout=5)
    if left:
        pytest.fail(f"still running: {sorted(task.get_name() for task in left)}")


@pytest.fixture(autouse=True)
def the_log_stays_as_it_was() -> Iterator[None]:
    """Take back what a command that runs in this process has set up for itself."""
    before = structlog.get_config()
    yield
    if structlog.get_config() != before:
        structlog.configure(**before)
        loggers.forget()


@pytest.fixture(scope="session")
def fake_openai() -> Iterator[FakeOpenAI]:
    """Run one fake OpenAI-compatible server, in a process of its own, for all tests."""
    with running() as fake:
        yield fake


@pytest.fixture
async def openai(fake_openai: FakeOpenAI) -> FakeOpenAI:
    """The fake server, with nothing scripted and nothing recorded."""
    await fake_openai.reset()
    return fake_openai


@pytest.fixture(scope="session")
def fake_anthropic() -> Iterator[FakeAnthropic]:
    """Run one fake of Anthropic's API, in a process of its own, for all tests."""
    with running_anthropic() as fake:
        yield fake


@pytest.fixture
async def anthropic(fake_anthropic: FakeAnthropic) -> FakeAnthropic:
    """The fake server, with nothing scripted and nothing recorded."""
    await fake_anthropic.reset()
    return fake_anthropic


@pytest.fixture(scope="session")
def fake_ollama() -> Iterator[FakeOllama]:
    """Run one fake of Ollama, in a process of its own, for all tests."""
    with running_ollama() as fake:
        yield fake


@pytest.fixture
async def ollama(fake_ollama: FakeOllama) -> FakeOllama:
    """The fake server, with nothing scripted and nothing recorded."""
    await fake_ollama.reset()
    return fake_ollama


@pytest.fixture(params=WIRES)
def model(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModelWire:
    """One wire after the other, and the fake that speaks it."""
    provider: str = request.param
    fake = request.getfixturevalue(provider.removeprefix("azure_"))
    wire = ModelWire(provider, fake)
    for name, value in wire.variables.items():
        monkeypatch.setenv(name, value)
    return wire

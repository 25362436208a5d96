"""What pytest loads by itself. LangChain and the server are imported once a test wants a call."""
# ruff: noqa: PLC0415 - see above

import asyncio
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from bridge.agent.scripted import ScriptedModel
    from bridge.testing.calls import Calls

_CALLS: Final = pytest.StashKey["Calls"]()
_MARK: Final = "virtual_time"


@pytest.fixture
def call(request: pytest.FixtureRequest) -> "Iterator[Calls]":
    """Call the agent of the working folder, once or several times.

    A bridge with its tools and prompts runs in this process. The demo model answers, or the
    `scripted_model` of a test that has one.
    """
    from bridge.testing.calls import Calls

    model = None
    if "scripted_model" in request.fixturenames:
        model = request.getfixturevalue("scripted_model")
    marked = request.node.get_closest_marker(_MARK) is not None
    calls = request.node.stash[_CALLS] = Calls(model, virtual=marked)
    with calls.quietly():
        yield calls


@pytest.fixture
def scripted_model() -> "ScriptedModel":
    """The model's messages, in their order, and what it was asked with."""
    from bridge.agent.scripted import ScriptedModel

    return ScriptedModel()


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line(
        "markers", f"{_MARK}: waiting takes no time in this async test (millis-bridge)"
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the calls of a test that failed."""
    report = yield
    calls = item.stash.get(_CALLS, None)
    if calls is not None and report.when == "call" and report.failed:
        report.sections += [("Call", talk.story()) for talk in calls.talks]
    return report


# ── the mark, with pytest-asyncio ────────────────────────────────────────────────────────────────


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> Generator[None]:
    """Tell pytest-asyncio of the clock while it looks at a marked test.

    Not for longer: who offers it a clock must do so for all tests, also those that are not ours.
    """
    marked = metafunc.definition.get_closest_marker(_MARK) is not None
    plugins = metafunc.config.pluginmanager
    if not marked or not plugins.hasplugin("asyncio"):
        return (yield)
    clocks = _Clocks()
    plugins.register(clocks)
    try:
        return (yield)
    finally:
        plugins.unregister(clocks)


class _Clocks:
    @pytest.hookimpl(optionalhook=True)
    def pytest_asyncio_loop_factories(
        self,
    ) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
        from bridge.local.clock import VirtualLoop

        return {"virtual": VirtualLoop}

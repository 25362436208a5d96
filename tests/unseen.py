"""An exception of a task that nobody looks at fails the test run (a plug-in of pytest's)."""

import logging
from collections.abc import Generator

import pytest


class Unseen(logging.Handler):
    """What asyncio says when it throws such a task away."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if "exception was never retrieved" in text:
            cause = record.exc_info[1] if record.exc_info else None
            self.told.append(f"{text}: {cause!r}")


UNSEEN = pytest.StashKey[Unseen]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[UNSEEN] = Unseen()
    config.addinivalue_line("markers", "unseen(why): exceptions may go unseen in this test")
    logging.getLogger("asyncio").addHandler(config.stash[UNSEEN])


def pytest_unconfigure(config: pytest.Config) -> None:
    logging.getLogger("asyncio").removeHandler(config.stash[UNSEEN])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """Look once the test's loop is closed; what was found later is told of the next test."""
    yield
    unseen = item.config.stash[UNSEEN]
    told, unseen.told = unseen.told, []
    if told and item.get_closest_marker("unseen") is None:
        pytest.fail("\n".join(told), pytrace=False)

"""The plug-in that sees exceptions which nobody looks at: fault F10."""

import pytest

from tests.unseen import UNSEEN

TESTS = """
import asyncio
import pytest

async def fail():
    raise ValueError("unseen")

@pytest.mark.parametrize("looks", [True, False])
def test_all_is_well(looks):
    async def main():
        task = asyncio.create_task(fail())
        await asyncio.wait({task})
        if looks:
            task.exception()
    asyncio.run(main())
"""


def test_an_exception_that_nobody_looks_at_fails_the_run(
    pytester: pytest.Pytester, pytestconfig: pytest.Config
) -> None:
    pytester.makepyfile(TESTS)
    run = pytester.runpytest_inprocess("-p", "tests.unseen", "-p", "no:asyncio")
    pytestconfig.stash[UNSEEN].told.clear()  # it has seen it, too
    run.assert_outcomes(passed=2, errors=1)
    run.stdout.fnmatch_lines("*ERROR*test_all_is_well?False?*")
    run.stdout.fnmatch_lines("*ValueError('unseen')*")

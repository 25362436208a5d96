import asyncio
import contextvars
import subprocess
import sys
import threading
import time

import pytest

from bridge.errors import ToolError
from bridge.plugins.daemon import DaemonRun, Stopped, ToolCrashed
from bridge.plugins.threads import ToolThreads

WHO = contextvars.ContextVar("WHO", default="nobody")


async def freed(threads: ToolThreads) -> None:
    while threads.busy:  # noqa: ASYNC110 - a thread sets no asyncio.Event
        await asyncio.sleep(0.001)


async def test_a_function_runs_off_the_loop_with_the_callers_context_variables() -> None:
    threads = ToolThreads(1)
    WHO.set("caller")

    def look(a: int, *, b: int) -> tuple[str, int, bool]:
        return WHO.get(), a + b, threading.current_thread().daemon

    assert await threads.run(look, 1, b=2) == ("caller", 3, True)
    assert threads.busy == 0


async def test_an_error_of_the_function_comes_out_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        await ToolThreads(1).run(lambda: 1 / 0)


@pytest.mark.parametrize(
    "kind", [SystemExit, KeyboardInterrupt, GeneratorExit, StopIteration, asyncio.CancelledError]
)
async def test_what_would_kill_the_loop_comes_out_as_a_crash(kind: type[BaseException]) -> None:
    def leave() -> None:
        raise kind

    with pytest.raises(ToolCrashed, match=kind.__name__):
        await ToolThreads(1).run(leave)


async def test_a_blocking_function_does_not_hold_up_the_loop() -> None:
    release = threading.Event()
    run = asyncio.create_task(ToolThreads(1).run(release.wait))
    for _ in range(20):
        await asyncio.sleep(0.005)
    assert not run.done(), "the loop went round while the function waited for it"
    release.set()
    await run


async def test_fifty_hung_tools_are_refused_fast_and_the_default_executor_still_works() -> None:
    release = threading.Event()
    threads = ToolThreads(8)
    runs = [asyncio.create_task(threads.run(release.wait)) for _ in range(50)]
    began = time.perf_counter()

    done, _ = await asyncio.wait(runs, return_when=asyncio.FIRST_EXCEPTION)
    while len(done) < 42:
        done, _ = await asyncio.wait(runs, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(0)

    assert time.perf_counter() - began < 5
    assert all(isinstance(task.exception(), ToolError) for task in done)
    assert "busy" in str(done.pop().exception())
    assert threads.busy == 8
    assert await asyncio.to_thread(lambda: "dns") == "dns"

    release.set()
    await asyncio.wait(runs)
    assert threads.busy == 0


async def test_a_cancelled_wait_leaves_the_slot_taken_until_the_function_returns() -> None:
    release = threading.Event()
    threads = ToolThreads(1)
    run = asyncio.create_task(threads.run(release.wait))
    await asyncio.sleep(0)

    run.cancel()
    await asyncio.wait({run})

    assert run.cancelled()
    assert threads.busy == 1
    with pytest.raises(ToolError):
        await threads.run(release.wait)
    release.set()
    await freed(threads)
    assert await threads.run(lambda: "free again") == "free again"


def test_a_function_that_outlives_its_loop_ends_quietly() -> None:
    release = threading.Event()
    threads = ToolThreads(1)

    async def main() -> None:
        task = asyncio.create_task(threads.run(release.wait))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(main())
    hung = next(thread for thread in threading.enumerate() if thread.name == "tool")
    release.set()
    hung.join(5)

    assert threads.busy == 0


def test_a_hung_function_does_not_keep_the_process_alive() -> None:
    program = (
        "import asyncio, time\n"
        "from bridge.plugins.threads import ToolThreads\n"
        "async def main():\n"
        "    task = asyncio.create_task(ToolThreads(1).run(time.sleep, 600))\n"
        "    await asyncio.sleep(0.01)\n"
        "    task.cancel()\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], timeout=20, check=False)  # noqa: S603

    assert done.returncode == 0


async def test_stopping_a_thread_raises_in_it_and_only_there() -> None:
    started = threading.Event()

    def spin() -> None:
        started.set()
        while True:
            pass

    run = DaemonRun(spin, name="spin")
    await asyncio.to_thread(started.wait)

    assert run.stop()
    with pytest.raises(ToolCrashed) as crash:
        await run.result
    assert isinstance(crash.value.__cause__, Stopped)
    run.thread.join(5)
    assert not run.stop()


async def test_a_thread_that_is_stopped_just_as_it_ends_still_brings_its_result_home() -> None:
    for rounds in range(400):
        started, enough = threading.Event(), [False]

        def spin(started: threading.Event = started, enough: list[bool] = enough) -> str:
            started.set()
            while not enough[0]:
                pass
            return "ended"

        run = DaemonRun(spin, name="spin")
        await asyncio.to_thread(started.wait)
        enough[0] = True
        for _ in range(rounds * 5):
            pass  # the thread gets a little further each time
        run.stop()

        async with asyncio.timeout(5):
            outcome = (await asyncio.gather(run.result, return_exceptions=True))[0]
        assert outcome == "ended" or isinstance(outcome, ToolCrashed)
        run.thread.join(5)
        assert not run.stop()


@pytest.mark.parametrize("stopped", [False, True])
def test_a_thread_that_has_ended_costs_the_others_nothing(stopped: bool) -> None:
    program = (
        "import asyncio, sys\n"
        "from bridge.plugins.daemon import DaemonRun\n"
        "async def main():\n"
        "    done = []\n"
        "    run = DaemonRun(lambda: [0 for _ in iter(lambda: bool(done), True)], name='spin')\n"
        f"    if {stopped}: run.stop()\n"
        "    done.append(1)\n"
        "    await asyncio.wait({run.result})\n"
        "    run.thread.join()\n"
        "asyncio.run(main())\n"
        "sys.setprofile(lambda *_: None)\n"
        "print((lambda: 'a profiler works')())\n"  # not while the interpreter looks for more
        "sys.setprofile(None)\n"
    )
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", program], timeout=20, check=True, capture_output=True, text=True
    )

    assert "a profiler works" in done.stdout

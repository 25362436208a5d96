"""What is measured of one process: calls that wait, that speak, that are over."""

import asyncio
import os
import sqlite3
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
from callers import Caller, Turn
from scenes import FIRST_MS, GAP_MS, TALK, Failed, Talk, Times, check, dial, hang_up
from servers import Server
from talker import WORDS, Model
from watched import FILE, PAIR

TOGETHER = 50
"""Calls of a crowd that are on the line at once."""
LASTS = 0.1
"""Seconds that they stay after their turn; hanging up at once cuts off what a call begins with."""
SHORT, LONG = 10, 100
"""Tokens of answers."""

Measure = Callable[[Server, Model], Awaitable[Times]]


async def idle(server: Server, _: Model, calls: int = 5000, watched: float = 40.0) -> Times:
    """Calls that wait: what each holds, and what it costs to keep the line open."""
    before, files, used = server.memory(), descriptors(server), server.cpu()
    callers = await dial(server, calls)
    await server.quiet()
    begun, held, opened = server.cpu(), server.memory(), descriptors(server)
    await asyncio.sleep(watched)
    waited, later = server.cpu(), server.memory()
    hang_up(callers)
    return {
        "calls": [float(calls)],
        "before": [float(before)],
        "bytes": [(max(held, later) - before) / calls],
        "descriptors_before": [float(files)],
        "descriptors": [float(opened)],
        "cpu_to_begin": [(begun - used) / calls],
        "cpu_a_second": [(waited - begun) / watched / calls],
    }


async def speaking(server: Server, model: Model, calls: int = 100) -> Times:
    """Calls in the middle of an answer: what each holds, with all that it is."""
    warm = await dial(server, 5)  # what the first turn of a process loads is no call's
    model.answer(first_ms=0, gap_ms=0)
    await asyncio.gather(*(caller.ask(f"Warm {n}.", []) for n, caller in enumerate(warm)))
    await server.quiet()
    before, files = server.memory(), descriptors(server)
    model.answer(first_ms=FIRST_MS, gap_ms=GAP_MS)
    callers = await dial(server, calls)
    answers = [
        asyncio.create_task(caller.ask(f"Turn 1 of call {n}.", []))
        for n, caller in enumerate(callers)
    ]
    await asyncio.sleep(FIRST_MS / 1000 + 0.7 * GAP_MS / 1000 * len(WORDS))
    held, opened = server.memory(), descriptors(server)
    turns = await asyncio.gather(*answers)
    hang_up([*callers, *warm])
    check(turns, callers)
    return {
        "calls": [float(calls)],
        "bytes": [(held - before) / calls],
        "descriptors": [(opened - files) / calls],
    }


async def finished(server: Server, model: Model, calls: int = 20_000, warm: int = 2_000) -> Times:
    """Calls of one turn that come and go: what the process keeps of them, and what they cost."""
    model.answer(first_ms=0, gap_ms=0)
    await _crowd(server, warm)  # ledgers are kept of a thousand calls, for those that dial again
    await server.quiet()
    memory, used = [server.memory()], server.cpu()
    for _ in range(10):
        await _crowd(server, calls // 10)
        model.answer(first_ms=0, gap_ms=0)  # forgets what it has noted
        await server.quiet()
        memory.append(server.memory())
    return {
        "calls": [float(calls)],
        "memory": [float(each) for each in memory],
        "kept": [(memory[-1] - memory[0]) / calls],
        "cpu_of_a_call": [(server.cpu() - used) / calls],
    }


async def lag(server: Server, model: Model) -> Times:
    """A hundred calls that speak: how late the loop is, and how soon `/healthz` answers."""
    health: list[float] = []
    asking = asyncio.create_task(_ask_health(server, health))
    await asyncio.sleep(TALK)
    began = time.monotonic()
    times = await Talk(100, turns=10).run(server, model)
    ended = time.monotonic()
    asking.cancel()
    await asyncio.wait({asking})
    noted = PAIR.iter_unpack((_folder(server) / FILE).read_bytes())
    return {
        "lag": [late for at, late in noted if began <= at <= ended],
        "healthz": health,
        "busy": times["busy"],
        "cpu_per_token": times["cpu_per_token"],
    }


async def cost(server: Server, model: Model, calls: int = 100, each: int = 8) -> Times:
    """What short and long answers cost: from both, what a turn costs, and what a token."""
    callers, used = await dial(server, calls), {}
    await _answers(callers, model, SHORT, 1)  # what the first turns load is no turn's
    for tokens in (SHORT, LONG, SHORT, LONG):
        began = server.cpu()
        await _answers(callers, model, tokens, each)
        used.setdefault(tokens, []).append((server.cpu() - began) / calls / each)
    hang_up(callers)
    short, long = (min(used[tokens]) for tokens in (SHORT, LONG))
    token = (long - short) / (LONG - SHORT)
    return {
        "cpu_of_short": used[SHORT],
        "cpu_of_long": used[LONG],
        "cpu_of_token": [token],
        "cpu_of_turn": [short - SHORT * token],
    }


async def record(server: Server, model: Model, calls: int = 100, turns: int = 10) -> Times:
    """What the record holds of calls of ten turns, a hundred tokens each, at its default level."""
    model.answer(first_ms=0, gap_ms=0)
    callers = await dial(server, calls)
    before = _rows(_folder(server))[0]
    asked = await asyncio.gather(*(_talk(n, caller, turns) for n, caller in enumerate(callers)))
    hang_up(callers)
    check([turn for each in asked for turn in each], callers)
    await asyncio.sleep(2)
    await server.quiet()
    size, rows = _rows(_folder(server))
    if rows["turns"] < calls * turns:
        raise Failed(f"only {rows['turns']} turns are on record")
    return {
        "calls": [float(calls)],
        "turns": [float(turns)],
        "bytes_of_a_call": [(size - before) / calls],
        "rows_of_a_call": [sum(rows.values()) / calls],
    }


def descriptors(server: Server) -> int:
    """How many files and sockets it has open."""
    assert server.process is not None
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))  # noqa: PTH208 - only their number


async def _answers(callers: list[Caller], model: Model, tokens: int, each: int) -> None:
    """All calls talk, spread over the time of a turn, answers of so many tokens."""
    model.answer(first_ms=FIRST_MS, gap_ms=GAP_MS, words=WORDS[:tokens])
    whole, said = "".join(WORDS[:tokens]), []

    async def call(number: int, caller: Caller) -> None:
        await asyncio.sleep(number * TALK / len(callers))
        for turn in range(each):
            answer = await caller.ask(f"This is turn {turn} of call {number}, {tokens}.", [])
            said.append("".join(answer.said))
            await asyncio.sleep((LONG - tokens) * GAP_MS / 1000)  # as many turns a second

    await asyncio.gather(*(call(number, caller) for number, caller in enumerate(callers)))
    if set(said) != {whole}:
        raise Failed("an answer was not whole")


async def _crowd(server: Server, calls: int) -> None:
    left = iter(range(calls))

    async def line() -> None:
        for number in left:
            caller = await Caller.dial(server.port)
            turn = await caller.ask(f"The only turn of call {number}.", [])
            await asyncio.sleep(LASTS)
            caller.hang_up()
            check([turn], [caller])

    await asyncio.gather(*(line() for _ in range(TOGETHER)))


async def _talk(number: int, caller: Caller, turns: int) -> list[Turn]:
    said: list[dict[str, str]] = []
    asked = []
    for turn in range(turns):
        words = f"And what about number {turn}, if I may ask, of call {number}?"
        asked.append(await caller.ask(words, said))
        answer = "".join(WORDS).strip()
        said += [{"role": "user", "content": words}, {"role": "assistant", "content": answer}]
    return asked


async def _ask_health(server: Server, health: list[float]) -> None:
    async with aiohttp.ClientSession() as http:
        while True:
            asked = time.monotonic()
            async with http.get(f"http://127.0.0.1:{server.port}/healthz") as answer:
                await answer.read()
            health.append(time.monotonic() - asked)
            await asyncio.sleep(0.05)


def _rows(folder: Path) -> tuple[int, dict[str, int]]:
    """Bytes of the database, and rows of each table."""
    with sqlite3.connect(f"file:{folder / 'calls.db'}?mode=ro", uri=True) as line:
        (pages,) = line.execute("PRAGMA page_count").fetchone()
        (free,) = line.execute("PRAGMA freelist_count").fetchone()
        (page,) = line.execute("PRAGMA page_size").fetchone()
        tables = ("calls", "turns", "tool_runs", "frames")
        rows = {
            name: line.execute(f"SELECT count(*) FROM {name}").fetchone()[0]  # noqa: S608 - ours
            for name in tables
        }
    return (pages - free) * page, rows


def _folder(server: Server) -> Path:
    assert server.folder is not None
    return Path(server.folder.name)

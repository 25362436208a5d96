"""Callers who talk, interrupt, hang up and dial again, each behind a bad line of their own."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from benchmarks.soak import moods
from benchmarks.soak.tally import Asked, Tally
from bridge.local.answer import Answer, LineLost
from bridge.local.caller import Caller
from bridge.local.dialing import CallRefused
from bridge.local.speaking import READING
from tests.faults.chaos import GOOD, SILENT, Chaos, Weather

DEADLINE = 25.0
"""Seconds until a turn must have ended: 15 of `turn_timeout`, and what the worst line adds."""
LONGEST_CALL = 12
"""Turns."""
SHORT_SILENCE = 1.5
"""Seconds that a line may be dead, and the call must live on: a pong may take 5."""
LONG_SILENCE = (16.0, 19.0)
"""Seconds that no call needs to survive: more than `heartbeat` and a pong."""
T = TypeVar("T")


class Cut(Exception):
    """The call is over, because of what was done to it."""


class Person:
    """Makes one call after the other."""

    def __init__(self, port: int, chance: random.Random, tally: Tally) -> None:
        self._port, self._chance, self._tally = port, chance, tally
        self._turns: dict[Answer, Asked] = {}
        """Those of the call now."""
        self._line: Chaos
        self._caller: Caller
        self._session: str | None = None
        self._deed = "begin"

    async def talk(self, seconds: float) -> None:
        """Call until the time is up; the last call is brought to its end."""
        now = asyncio.get_running_loop().time
        until = now() + seconds
        async with Chaos(self._port, seed=self._chance.getrandbits(32)) as self._line:
            await asyncio.sleep(self._chance.uniform(0, min(5.0, seconds / 4)))
            while now() < until:
                await self._call(until)
                await asyncio.sleep(self._chance.uniform(0, 1))

    async def _call(self, until: float) -> None:
        again = self._chance.random() < 0.2
        self._turns.clear()
        self._deed = "begin"
        self._line.be(self._weather(), self._weather())
        try:
            async with Caller.dial(
                f"ws://127.0.0.1:{self._line.port}/millis",
                session_id=self._session if again else None,
                habits=READING,
                metadata={"name": "Ada"},
                begun=self._begun,
            ) as self._caller:
                self._tally.calls += 1
                self._session = self._caller.session_id
                with contextlib.suppress(Cut):
                    await self._talk(until)
                self._line.be()
        except CallRefused as refusal:
            self._tally.refused += 1
            self._tally.tell("refused", why=str(refusal))
        self._close()

    def _begun(self, _: Caller, answer: Answer) -> None:
        self._turns[answer] = Asked(answer, deed=self._deed)

    def _close(self) -> None:
        """Count what the call had."""
        if not self._turns:  # it was refused
            return
        for turn in self._turns.values():
            self._tally.take(turn, session=self._session, close_code=self._caller.close_code)
        for stray in self._caller.violations:
            self._tally.flaws[stray.kind] += 1
            self._tally.tell(
                stray.kind,
                detail=stray.detail,
                session=self._session,
                stream_id=stray.stream_id,
            )

    async def _talk(self, until: float) -> None:
        now = asyncio.get_running_loop().time
        if self._chance.random() < 0.8:
            await self._ended(self._caller.greeting)
        for _ in range(self._chance.randint(1, LONGEST_CALL)):
            deed = self._chance.choices(list(DEEDS), list(DEEDS.values()))[0]
            self._deed = deed.__name__.strip("_")
            self._tally.deeds[self._deed] += 1
            await deed(self)
            if now() >= until:
                return
            await asyncio.sleep(self._chance.expovariate(2))

    # ── what they do ─────────────────────────────────────────────────────────────────────────────

    async def _ask(self) -> None:
        await self._ended(await self._request())

    async def _interrupt(self) -> None:
        await self._request()
        await self._a_while()
        await self._tried(self._caller.interrupt())

    async def _ask_something_newer(self) -> None:
        await self._request()
        await self._a_while()
        await self._ask()

    async def _speak_in_bits(self) -> None:
        """A flood of partial transcripts, and the request; the last ones may be final."""
        code, mood = moods.any_code(self._chance), moods.any_mood(self._chance)
        said = moods.line(code, mood)
        for number in range(self._chance.randint(10, 60)):
            data = {
                "session_id": self._session,
                "transcript": said[: 1 + number % len(said)],
                "is_final": self._chance.random() < 0.1,
            }
            await self._tried(self._caller.tell({"type": "partial_transcript", "data": data}))
        await self._ended(await self._request(code, mood))

    async def _hang_up(self) -> None:
        self._excuse(await self._request(), "hung_up")
        await self._a_while()
        if self._chance.random() < 0.5:
            await self._caller.line.vanish()
        raise Cut

    async def _dial_again(self) -> None:
        """The connection goes for no reason, and the call goes on with what was not answered."""
        self._excuse(await self._request(), "hung_up")
        await self._a_while()
        await self._go_on()

    async def _reset(self) -> None:
        self._excuse(await self._request(), "cut")
        await self._a_while()
        self._line.reset()
        await self._go_on()

    async def _be_reset_at_a_byte(self) -> None:
        self._excuse(await self._request(), "cut")
        up = self._chance.random() < 0.3
        soon = Weather(reset_at=self._chance.randint(1, 20_000))
        self._line.be(soon if up else GOOD, GOOD if up else soon)
        await self._a_while()
        self._line.reset()
        await self._go_on()

    async def _lose_the_line_for_a_moment(self) -> None:
        answer = await self._request()
        await self._a_while()
        up, down = self._chance.choice(((SILENT, GOOD), (GOOD, SILENT), (SILENT, SILENT)))
        self._line.be(up, down)
        await asyncio.sleep(self._chance.uniform(0, SHORT_SILENCE))
        self._line.be()
        await self._ended(answer)

    async def _lose_the_line(self) -> None:
        """Half-open: nothing comes, and nobody is told."""
        self._excuse(await self._request(), "cut")
        await self._a_while()
        self._line.be(SILENT, SILENT)
        await asyncio.sleep(self._chance.uniform(*LONG_SILENCE))
        self._line.be()
        await self._go_on()

    async def _change_the_weather(self) -> None:
        answer = await self._request()
        for _ in range(3):
            await asyncio.sleep(self._chance.uniform(0, 0.5))
            self._line.be(self._weather(), self._weather())
        await self._ended(answer)

    # ── how ──────────────────────────────────────────────────────────────────────────────────────

    async def _request(self, code: str = "", mood: str = "") -> Answer:
        code = code or moods.any_code(self._chance)
        mood = mood or moods.any_mood(self._chance)
        answer = await self._tried(self._caller.request(moods.line(code, mood)))
        self._turns[answer] = Asked(answer, code, mood, self._deed)
        return answer

    async def _go_on(self) -> None:
        """Dial again, as Millis presumably does, or leave it."""
        if self._chance.random() < 0.3:
            raise Cut
        turn = self._turns[self._caller.newest]
        self._line.be(self._weather(), self._weather())
        await self._tried(self._caller.dial_again())
        if self._chance.random() < 0.5:
            await self._ended(self._caller.newest)
        answer = await self._tried(self._caller.ask_again())
        self._turns[answer] = Asked(answer, turn.code, turn.mood, self._deed)
        await self._ended(answer)

    async def _ended(self, answer: Answer) -> None:
        """Wait for the end of an answer, but not for ever."""
        try:
            async with asyncio.timeout(DEADLINE):
                await self._tried(answer.complete())
        except TimeoutError:
            self._turns[answer].overdue = True

    async def _tried(self, deed: Awaitable[T]) -> T:
        try:
            return await deed
        except LineLost:
            raise Cut from None

    def _excuse(self, answer: Answer, why: str) -> None:
        self._turns[answer].excuse = why

    async def _a_while(self) -> None:
        """From at once to well into an answer, at once more often."""
        await asyncio.sleep(self._chance.uniform(0, 1.2) ** 2)

    def _weather(self) -> Weather:
        """Half of the time it is good."""
        chance = self._chance
        if chance.random() < 0.5:
            return GOOD
        return Weather(
            latency=chance.choice((0, 0, chance.uniform(0, 0.3))),
            jitter=chance.choice((0, chance.uniform(0, 0.15))),
            slices=chance.choice((0, 0, chance.randint(16, 256))),
            rate=chance.choice((0, 0, chance.uniform(16, 64) * 1024)),
        )


DEEDS: dict[Callable[[Person], Awaitable[None]], float] = {
    Person._ask: 40,  # noqa: SLF001 - its own table
    Person._interrupt: 22,  # noqa: SLF001
    Person._ask_something_newer: 8,  # noqa: SLF001
    Person._speak_in_bits: 6,  # noqa: SLF001
    Person._change_the_weather: 6,  # noqa: SLF001
    Person._lose_the_line_for_a_moment: 5,  # noqa: SLF001
    Person._dial_again: 3,  # noqa: SLF001
    Person._reset: 3,  # noqa: SLF001
    Person._be_reset_at_a_byte: 3,  # noqa: SLF001
    Person._hang_up: 3,  # noqa: SLF001
    Person._lose_the_line: 1,  # noqa: SLF001
}
"""How often, in a hundred turns."""

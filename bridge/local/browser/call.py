"""One call from a page: Millis's side of the conversation, between the page and the bridge.

Documented (Millis's guide to the SDK, protocol.md §2): `metadata`, `include_metadata_in_prompt` and
`session_continuation` go with the call; `agent_config` goes over the settings of `agent_id`;
`onfunction` tells of a function with its parameters; `onsessionended` comes before the close.

Assumed, because nobody outside Millis knows: with a `first_message` Millis speaks it and asks for
no greeting, and with `user_start_first` for none either; partial transcripts to the page hold the
whole line; `onfunction` comes when a function begins, for the tools of a bridge, too.
"""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Final

from aiohttp import WSCloseCode, WSMsgType

from bridge.errors import BridgeError, ProtocolError
from bridge.local.answer import Answer, LineLost
from bridge.local.browser.allowance import Allowance
from bridge.local.browser.config import AgentConfig
from bridge.local.browser.listening import Listening
from bridge.local.browser.messages import Initiate, InitiateData, Interrupt, Ping, Say, read
from bridge.local.browser.page import Page
from bridge.local.browser.player import Player
from bridge.local.browser.studio import Studio
from bridge.local.browser.voice import RATE, SAMPLE, Mouth
from bridge.local.conversation import Conversation
from bridge.local.dialing import CallRefused
from bridge.local.door import Door
from bridge.local.outside import watched
from bridge.local.speaking import Habits

_TAIL: Final = 0.2
"""Seconds between the end of the last words and the hang-up: a page hears some 0.05 s late."""
_LONGEST: Final = 4 * 3600.0
"""Seconds of a call for which nobody has set `max_duration`."""
_MESSAGES: Final = Allowance(rate=10.0, burst=50.0)
"""Messages a page may send: more than anybody types; each line costs a model call."""
_SOUND: Final = Allowance(rate=1.2 * RATE * SAMPLE, burst=10.0 * RATE * SAMPLE)
"""Bytes of sound it may send: as fast as one can speak, after a hiccup of ten seconds."""


class TooMuch(BridgeError):
    """The page sends more than anybody could say."""


class WebCall:
    """One call; `hold` it. What the page says is hostile data."""

    def __init__(self, page: Page, door: Door, about: InitiateData, studio: Studio) -> None:
        self.session_id = uuid.uuid4().hex
        self._page = page
        self._door = door
        self._about = about.about
        self._config = AgentConfig.read(about.agent.agent_config)
        voice = None if self._config.silent else studio.voice(self._config.spoken)
        self._mouth = Mouth(voice, self._speak_on)
        words = self._config.custom_vocabulary.keywords
        self._ears = studio.ears(words, self._config.language)
        self._listening: Listening
        self._talk: Conversation
        self._player: Player | None = None
        self._playing: set[asyncio.Task[None]] = set()
        self._ready = False

    async def hold(self) -> None:
        """Hold the call until one side ends it, and close the page's socket."""
        code, why = WSCloseCode.OK, ""
        try:
            async with self._calling(), self._listening.to(self._ears):
                why = await self._until_over()
            self._page.tell("onsessionended")
        except CallRefused as refused:
            code, why = WSCloseCode.TRY_AGAIN_LATER, f"the bridge takes no call: {refused}"
        except TooMuch as much:
            code, why = WSCloseCode.POLICY_VIOLATION, str(much)
        await self._page.say_goodbye(code, why)

    @contextlib.asynccontextmanager
    async def _calling(self) -> AsyncIterator[None]:
        first = self._config.first_message
        greeted = bool(first or self._config.flow.user_start_first)
        try:
            async with (
                watched(self._door, self.session_id, self._tell_of_tools),
                Conversation.dial(
                    self._door.url,
                    token=self._door.token,
                    habits=self._habits(),
                    begun=self._begin,
                    session_id=self.session_id,
                    stream_id=None if greeted else 1,
                    **self._about,
                ) as self._talk,
            ):
                self._say_ready()
                may_interrupt = self._config.flow.interruption.allowed is not False
                self._listening = Listening(self._talk, self._show, may_interrupt=may_interrupt)
                if first and not self._config.flow.user_start_first:
                    self._talk.caller.announce(first)
                yield
        finally:
            for task in self._playing:
                task.cancel()
            if self._playing:
                await asyncio.wait(self._playing)
            await self._mouth.close()

    def _habits(self) -> Habits:
        habits, flow = Habits(voice=self._mouth), self._config.flow
        if flow.interruption.keep_interruption_message is not None:
            habits = habits.keeping(flow.interruption.keep_interruption_message)
        if flow.response_delay is not None:
            habits = replace(habits, end_of_turn=flow.response_delay / 1000)
        return habits

    async def _until_over(self) -> str:
        """Wait until the page or the bridge hangs up, or time is up; why, in words."""
        sides = {
            asyncio.create_task(self._listen(), name="listen to page"),
            asyncio.create_task(self._hear_out(), name="wait for bridge"),
        }
        try:
            limit = self._config.session_timeout.max_duration or _LONGEST
            done, _ = await asyncio.wait(sides, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in sides:
                task.cancel()
            await asyncio.wait(sides)
        for task in done:
            task.result()
        return "" if done else "the call has lasted as long as it may"

    async def _hear_out(self) -> None:
        """Wait until the bridge hangs up, and the page has heard what came before."""
        await self._talk.caller.over.wait()
        if self._playing:
            await asyncio.wait(self._playing)
        await asyncio.sleep(_TAIL)

    # ── from the page ────────────────────────────────────────────────────────────────────────────

    async def _listen(self) -> None:
        messages, sound = _MESSAGES.begin(), _SOUND.begin()
        async with contextlib.aclosing(self._page.frames()) as frames:
            async for frame in frames:
                if frame.type is WSMsgType.BINARY:
                    if not sound.take(len(frame.data)):
                        raise TooMuch("more sound came than anybody could make")
                    if self._ears is not None:
                        self._ears.hear(frame.data)
                elif frame.type is WSMsgType.TEXT:
                    if not messages.take(1):
                        raise TooMuch("more messages came than anybody could type")
                    with contextlib.suppress(LineLost):  # then the call is over
                        await self._read(frame.data)

    async def _read(self, frame: str) -> None:
        try:
            message = read(frame)
        except ProtocolError:
            return  # as Millis presumably does: there is nothing to act on
        match message:
            case Say(data=text):
                if text:
                    await self._hear(text)
            case Interrupt():
                await self._talk.turns.stop()
            case Ping(data=data):
                self._page.tell("pong", data)
            case Initiate():
                pass  # the call is under way

    async def _hear(self, text: str) -> None:
        """Take a typed line for one that was spoken, in no time."""
        self._listening.forget()
        self._show(text, is_final=True)
        self._talk.turns.voice()
        await self._talk.turns.words(text, is_final=True)
        await self._talk.turns.over(text)

    # ── to the page ──────────────────────────────────────────────────────────────────────────────

    def _show(self, line: str, is_final: bool) -> None:
        self._page.tell("ontranscript", line, is_final=is_final)

    def _say_ready(self) -> None:
        if not self._ready:
            self._ready = True
            self._page.tell("onready", session_id=self.session_id)

    def _begin(self, answer: Answer) -> None:
        """Have the page hear an answer that was asked for now."""
        self._say_ready()
        if self._player is not None:
            self._player.settle()
        self._page.tell("start_answering")
        self._mouth.forget()
        assert answer.playback is not None  # noqa: S101 - our habits have a voice
        self._player = Player(answer, answer.playback, self._page, self._mouth.pcm)
        task = asyncio.create_task(self._player.play(), name="play")
        self._playing.add(task)
        task.add_done_callback(self._playing.discard)

    def _speak_on(self) -> None:
        if self._player is not None:
            self._player.speak_on()

    def _tell_of_tools(self, event: str, data: dict[str, Any]) -> None:
        if event == "ToolBegun":
            self._page.tell("onfunction", "", name=data.get("name"), params=data.get("arguments"))

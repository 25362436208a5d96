"""The fixture `call`: calls to the agent of the working folder, each to a bridge of its own."""

import contextlib
from asyncio import get_running_loop
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping
from typing import Any, TypeVar

import pytest
import structlog

from bridge.agent.scripted import ScriptedModel
from bridge.agent.stubs import NOT_RUN
from bridge.local import clock
from bridge.local.conversation import Conversation
from bridge.local.speaking import Habits
from bridge.settings.tables import DEFAULT_PERSONA
from bridge.testing.staged import Staged
from bridge.testing.talk import Talk
from bridge.testing.witness import Witness

T = TypeVar("T")


class Calls:
    """Holds calls, one after the other or at once. Call it, in an `async with`, or use `run`."""

    def __init__(self, model: ScriptedModel | None = None, *, virtual: bool = False) -> None:
        """`virtual`: the test is marked `virtual_time`, so that its clock has to be virtual."""
        self.talks: list[Talk] = []
        """All that were held."""
        self._model = model
        self._virtual = virtual

    @contextlib.asynccontextmanager
    async def __call__(  # noqa: PLR0913 - what Millis tells of a call
        self,
        *,
        metadata: Mapping[str, Any] | None = None,
        agent_id: str = "",
        persona: str = DEFAULT_PERSONA,
        caller: str | None = None,
        called: str | None = None,
        session_id: str | None = None,
        habits: Habits | None = None,
        model: str | None = None,
        tools: Mapping[str, Any] | None = None,
        live_tools: Collection[str] = (),
        settings: Mapping[str, Any] | None = None,
        hear_greeting: bool = True,
    ) -> AsyncIterator[Talk]:
        """Call the agent, hear its greeting, and hang up when the block is left.

        `caller` and `called` are telephone numbers. `persona`: dialled at /millis/NAME. `model`
        answers, as `provider:name`; else the test's scripted model, else the demo. `tools` gives
        results in place of tools, by name: a text, anything that is JSON, or a `StubbedResult`.
        Others are run if they only read, or stand in `live_tools`. `settings` go over those of
        bridge.toml. Without `hear_greeting`, the block begins while the greeting is still to come.

        Raises:
            SettingsError: a setting is wrong, or the model cannot be had.
        """
        self._require_clock()
        witness = Witness()
        staged = Staged(settings or {}, model, self._model, tools or {}, live_tools)
        voip = {"from": caller, "to": called} if caller or called else None
        about: dict[str, Any] = {"metadata": metadata, "agent_id": agent_id, "voip": voip}
        async with staged.bridge(witness) as bridge:
            at = staged.door(bridge, persona)
            async with Conversation.dial(
                at.url, token=at.token, session_id=session_id, habits=habits, **about
            ) as conversation:
                talk = Talk(conversation, witness, self._check)
                self.talks.append(talk)
                try:
                    if hear_greeting:
                        await talk.hear(talk.greeting)
                    yield talk
                finally:
                    talk.hang_up()

    def run(self, scene: Callable[[Talk], Awaitable[T]], **about: Any) -> T:
        """Hold a call in a test that is not async, on a virtual clock: waiting takes no time.

        `about` is what calling this takes.
        """

        async def held() -> T:
            async with self(**about) as talk:
                return await scene(talk)

        return clock.run(held())

    @contextlib.contextmanager
    def quietly(self) -> Iterator[None]:
        """Have the bridge log warnings only, unless somebody has set up its log."""
        if structlog.is_configured():
            yield
            return
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("warning"))
        try:
            yield
        finally:
            structlog.reset_defaults()

    def _require_clock(self) -> None:
        if self._virtual and not isinstance(get_running_loop(), clock.VirtualLoop):
            pytest.fail(
                "this test is marked virtual_time, but its event loop goes by the real clock: the "
                "mark needs pytest-asyncio 1.4 or newer; without, use call.run in a plain test",
                pytrace=False,
            )

    def _check(self, talk: Talk) -> None:
        """Fail if a call has gone on without something that the test has to give."""
        for tool in talk.tools:
            if tool.result == NOT_RUN:
                pytest.fail(
                    f"{tool.name} was not run, for it is not read_only: give its result in "
                    f"tools={{{tool.name!r}: …}}, or name it in live_tools",
                    pytrace=False,
                )
        if self._model is not None and self._model.missing:
            newest = self._model.asked[-1].history[-1]
            pytest.fail(
                f"the model was asked for message {len(self._model.asked)}, and the script has "
                f"{len(self._model.asked) - self._model.missing}. The newest that it read: "
                f"{newest['role']}: {str(newest.get('content'))[:200]!r}",
                pytrace=False,
            )

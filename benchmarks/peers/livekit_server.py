"""Answers Millis calls with livekit-agents: one text-only `AgentSession` a call, without a room.

The session is livekit's own way to run its LLM: it keeps the history, runs tools and handles
interrupts. It needs neither a LiveKit server nor audio when it is started without a room and its
transcription output is set; speech recognition, speech, VAD and turn detection are off. The history
of a turn comes from Millis and replaces the agent's. Each session has an `LLM` of its own, because
sessions listen to its events, and all share one HTTP client.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from livekit.agents import Agent, AgentSession, llm
from livekit.agents.voice.io import TextOutput
from livekit.plugins import openai
from millis_socket import Answer, Line, Settings, serve
from openai import AsyncClient


class SocketOutput(TextOutput):
    """Says the session's text on the current answer."""

    def __init__(self) -> None:
        super().__init__(label="millis", next_in_chain=None)
        self.answer: Answer | None = None

    async def capture_text(self, text: str) -> None:
        """Say a piece of the reply."""
        if self.answer is not None:
            await self.answer.say(text)

    def flush(self) -> None:
        """Do nothing: a reply with tools has several segments, and ends with its handle."""


class LivekitCall:
    """One running session."""

    def __init__(self, session: AgentSession[None], agent: Agent, output: SocketOutput) -> None:
        self._session = session
        self._agent = agent
        self._output = output
        self._ending: asyncio.Task[None] | None = None

    async def answer(self, answer: Answer, transcript: list[Line]) -> None:
        """Replace the agent's history, and have it reply."""
        history = llm.ChatContext.empty()
        for line in transcript:
            history.add_message(role=line["role"], content=line["content"])
        await self._agent.update_chat_ctx(history)
        self._output.answer = answer
        handle = self._session.generate_reply()

        async def end() -> None:
            await handle  # tools and the reply after them included
            await answer.end()

        self._ending = asyncio.create_task(end())

    async def interrupt(self) -> None:
        """Interrupt the reply."""
        await self._session.interrupt()

    async def ended(self) -> None:
        """Wait until nothing more can be sent."""
        if self._ending is not None:
            await asyncio.wait({self._ending})


class Livekit:
    """What calls share: the client, and what the suite asks for."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = AsyncClient(
            max_retries=0,  # as in the plugin's own clients, but not 50 connections for all calls
            http_client=httpx2.AsyncClient(
                follow_redirects=True,
                limits=httpx2.Limits(
                    max_connections=1000, max_keepalive_connections=100, keepalive_expiry=120
                ),
            ),
        )
        self._tools = [_tool(schema) for schema in settings.tools]

    @asynccontextmanager
    async def call(self) -> AsyncIterator[LivekitCall]:
        """Run a session."""
        model = openai.LLM(model=self._settings.model, client=self._client)
        agent = Agent(instructions=self._settings.prompt, tools=self._tools)
        session: AgentSession[None] = AgentSession(
            llm=model,
            vad=None,
            turn_handling={"turn_detection": "manual"},
            aec_warmup_duration=None,
            user_away_timeout=None,
        )
        output = SocketOutput()
        session.output.transcription = output
        await session.start(agent)
        call = LivekitCall(session, agent, output)
        try:
            yield call
        finally:
            await session.aclose()
            await call.ended()
            await model.aclose()


def _tool(schema: dict[str, Any]) -> llm.RawFunctionTool[Any, Any]:
    @llm.function_tool(raw_schema=schema)
    async def run(raw_arguments: dict[str, object]) -> str:
        return "ok"

    return run


if __name__ == "__main__":
    serve(Livekit)

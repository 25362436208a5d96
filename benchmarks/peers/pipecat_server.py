"""Answers Millis calls with pipecat: a pipeline a call, of its LLM service and context aggregators.

The history of a turn comes from Millis and goes in as an `LLMMessagesUpdateFrame`; an interrupt is
an `InterruptionFrame`. What is on by default for browsers and for audio (RTVI, the model that hears
the end of a turn, turn tracking, the idle timeout) is off, as a text bot would have it. By default
each service, and so each call, makes an HTTP client of its own; here they share one, through the
hook that pipecat has for it.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from loguru import logger
from millis_socket import Answer, Line, Settings, serve
from openai import AsyncOpenAI, DefaultAsyncHttpxClient
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.frames.frames import (
    Frame,
    FunctionCallsStartedFrame,
    InterruptionFrame,
    LLMFullResponseEndFrame,
    LLMMessagesUpdateFrame,
    LLMTextFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import (
    LLMContextAggregatorPair,
    LLMUserAggregatorParams,
)
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.llm_service import FunctionCallParams
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.turns.user_turn_strategies import ExternalUserTurnStrategies
from pipecat.utils.http import connection_limits
from pipecat.workers.runner import WorkerRunner


class SharedClientLLMService(OpenAILLMService):
    """The service on a client that is given to it."""

    def __init__(self, client: AsyncOpenAI, **options: Any) -> None:
        self._shared_client = client
        super().__init__(**options)

    def create_client(self, **_: Any) -> AsyncOpenAI:
        """Return the process's client."""
        return self._shared_client


class SocketOutput(FrameProcessor):
    """Says the service's text on the current answer, where an output transport would stand."""

    def __init__(self) -> None:
        super().__init__()
        self._answer: Answer | None = None
        self._tools_run = False

    def begin(self, answer: Answer) -> None:
        """Say what comes from now on as this answer."""
        self._answer, self._tools_run = answer, False

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Say text, and end the answer after a response that called no tools."""
        await super().process_frame(frame, direction)
        if self._answer is not None:
            if isinstance(frame, LLMTextFrame):
                await self._answer.say(frame.text)
            elif isinstance(frame, FunctionCallsStartedFrame):
                self._tools_run = True
            elif isinstance(frame, LLMFullResponseEndFrame):
                if not self._tools_run:
                    await self._answer.end()
                self._tools_run = False
        await self.push_frame(frame, direction)


class PipecatCall:
    """One running pipeline."""

    def __init__(self, worker: PipelineWorker, output: SocketOutput) -> None:
        self._worker = worker
        self._output = output

    async def answer(self, answer: Answer, transcript: list[Line]) -> None:
        """Replace the context's messages, and run the service on them."""
        self._output.begin(answer)
        await self._worker.queue_frame(LLMMessagesUpdateFrame(list(transcript), run_llm=True))

    async def interrupt(self) -> None:
        """Interrupt the pipeline."""
        await self._worker.queue_frame(InterruptionFrame())
        # The assistant's aggregator still adds what was said to the context: not after the next
        # turn has set its messages.
        await self._worker.flush_pipeline()


class Pipecat:
    """What calls share: the client, and what the suite asks for."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client = AsyncOpenAI(
            http_client=DefaultAsyncHttpxClient(
                limits=connection_limits(  # those of pipecat's own clients
                    max_keepalive_connections=100, max_connections=1000, keepalive_expiry=None
                )
            )
        )
        self._tools = [_schema(tool) for tool in settings.tools]

    @asynccontextmanager
    async def call(self) -> AsyncIterator[PipecatCall]:
        """Run a pipeline."""
        llm = SharedClientLLMService(
            self._client,
            settings=OpenAILLMService.Settings(
                model=self._settings.model, system_instruction=self._settings.prompt
            ),
        )
        context = LLMContext(tools=self._tools) if self._tools else LLMContext()
        user, assistant = LLMContextAggregatorPair(
            context,
            user_params=LLMUserAggregatorParams(user_turn_strategies=ExternalUserTurnStrategies()),
        )
        output = SocketOutput()
        worker = PipelineWorker(
            Pipeline([user, llm, output, assistant]),
            enable_rtvi=False,
            enable_turn_tracking=False,
            idle_timeout_secs=None,  # it would end a call in which nobody is heard to speak
        )
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(worker)
        running = asyncio.create_task(runner.run())
        try:
            yield PipecatCall(worker, output)
        finally:
            await worker.cancel()
            await running


def _schema(tool: dict[str, Any]) -> FunctionSchema:
    parameters = tool["parameters"]
    return FunctionSchema(
        name=tool["name"],
        description=tool["description"],
        properties=parameters["properties"],
        required=parameters.get("required", []),
        handler=_run_tool,
    )


async def _run_tool(params: FunctionCallParams) -> None:
    await params.result_callback("ok")


if __name__ == "__main__":
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    serve(Pipecat)

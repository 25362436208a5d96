"""The composition root: settings in, a running bridge out. Only this module knows everyone."""

import asyncio
from typing import Any, Self

import structlog

from bridge import __version__
from bridge.agent.agent import LangChainAgent
from bridge.agent.callcontrol import END_CALL, TRANSFER_CALL, call_control
from bridge.agent.models import build_model
from bridge.agent.reply import Limits
from bridge.call.ahead import COUNTS as AHEAD_COUNTS
from bridge.call.deadair import Patience
from bridge.call.sessions import Sessions
from bridge.call.setup import CallSetup
from bridge.plugins.prompt_shelf import PromptShelf
from bridge.plugins.shelf import ToolShelf
from bridge.plugins.threads import ToolThreads
from bridge.plugins.toolbox import Toolbox
from bridge.plugins.watch import watch
from bridge.server.socket import Switchboard
from bridge.server.watching import Watchers
from bridge.server.web import WebServer, make_web
from bridge.settings import Settings

_log = structlog.get_logger(__name__)


class Bridge:
    """Everything one process runs. Enter it to load and serve, leave it to hang up and stop."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        names = (settings.chosen_model, *settings.fallback_models)
        self.models = [build_model(name, temperature=settings.temperature) for name in names]
        self._policies = {
            name: table.model_dump(exclude_none=True) for name, table in settings.tools.items()
        }
        self._own_tools = call_control(
            end_call=settings.end_call, destinations=settings.destinations
        )
        self.tools = ToolShelf(
            settings.tools_dir,
            threads=ToolThreads(settings.tool_threads),
            reserved=frozenset({END_CALL, TRANSFER_CALL}),
        )
        self.prompts = PromptShelf(settings.prompts_dir)
        self._limits = _limits(settings)
        self._agent: tuple[Toolbox, LangChainAgent] | None = None
        self._watching: asyncio.Task[None] | None = None
        watchers = Watchers()
        self.board = self._switchboard(watchers)
        self._server = WebServer(
            make_web(self.board, watchers, self.findings),
            host=settings.host,
            port=settings.port,
            shutdown_timeout=settings.shutdown_timeout,
        )

    async def __aenter__(self) -> Self:
        """Load tools and prompts, and open the port.

        Raises:
            SettingsError: the port cannot be had.
        """
        await self.tools.reload()
        await self.prompts.reload()
        self.agent()
        await self._server.start()
        self._watching = asyncio.create_task(watch([self.tools, self.prompts]), name="watch")
        for model in self.models:
            if warm := getattr(model.chat, "warm", None):
                await warm()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Hang up, stop watching, close the connections to the models."""
        await self._server.stop()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait({self._watching})
        for model in self.models:
            if close := getattr(model.chat, "aclose", None):
                await close()

    @property
    def port(self) -> int:
        """The port it listens on, or will."""
        return self._server.port

    def agent(self) -> LangChainAgent:
        """The agent over the tools that are loaded now, compiled once per toolbox."""
        toolbox = self.tools.current
        if self._agent is None or self._agent[0] is not toolbox:
            tools = [*toolbox.tools, *self._own_tools]
            agent = LangChainAgent(
                self.models,
                tools,
                lambda: self.prompts.current,
                self._limits,
                self._policies,
            )
            self._agent = (toolbox, agent)
        return self._agent[1]

    def findings(self) -> dict[str, Any]:
        """What is loaded and what is not, for /healthz."""
        toolbox, prompts = self.tools.current, self.prompts.current
        failures = [*toolbox.failures, *prompts.failures]
        return {
            "version": __version__,
            "model": self.models[0].name,
            "tools": [tool.name for tool in toolbox.tools],
            "thinking_ahead": {name: self.board.calls.ahead[name] for name in AHEAD_COUNTS},
            "failures": [
                {
                    "file": str(failure.file),
                    "line": failure.line,
                    "reason": failure.reason,
                    "last_good_version_kept": failure.kept,
                }
                for failure in failures
            ],
        }

    def _switchboard(self, watchers: Watchers) -> Switchboard:
        settings = self.settings
        return Switchboard(
            calls=CallSetup(
                agent=self.agent,
                prompts=lambda: self.prompts.current,
                lexicon=lambda: self.prompts.current.lexicon,
                observe=watchers,
                greeting=settings.greeting,
                include_metadata_in_prompt=settings.include_metadata_in_prompt,
                turn_timeout=settings.turn_timeout,
                max_answer_chars=settings.max_answer_chars,
                flush_first_clause=settings.flush_first_clause,
                patience=Patience(filler_after=settings.filler_after),
                think_ahead=settings.think_ahead,
                silence_after=settings.silence_after,
                goodbye_timeout=settings.goodbye_timeout,
                history_tokens=settings.history_tokens,
                sessions=Sessions(settings.resume_window),
            ),
            tokens=settings.tokens,
            max_calls=settings.max_calls,
            send_timeout=settings.send_timeout,
            first_message_timeout=settings.first_message_timeout,
            heartbeat=settings.heartbeat,
        )


def _limits(settings: Settings) -> Limits:
    return Limits(
        first_word_timeout=settings.first_word_timeout,
        token_timeout=settings.token_timeout,
        tool_timeout=settings.tool_timeout,
        max_model_calls=settings.max_model_calls,
        max_tool_calls=settings.max_tool_calls,
        max_parallel_tools=settings.max_parallel_tools,
    )

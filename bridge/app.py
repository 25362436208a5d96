"""The composition root: settings in, a running bridge out. Only this module knows everyone."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any, Self

import structlog

from bridge import __version__
from bridge.agent.closing import close_model
from bridge.agent.rehearsal import Rehearsal
from bridge.call.ahead import COUNTS as AHEAD_COUNTS
from bridge.call.earlier import Earlier, NoEarlier
from bridge.call.events import CallData, CallEvent, NoRecord, Observer
from bridge.call.recall import COUNTS as RECALL_COUNTS
from bridge.call.sessions import Sessions
from bridge.call.setup import CallSetup
from bridge.personas import Personas
from bridge.plugins.millis.tools import deliver
from bridge.plugins.prompt_shelf import PromptShelf
from bridge.plugins.shelf import ToolShelf
from bridge.plugins.threads import ToolThreads
from bridge.plugins.watch import Shelf, watch
from bridge.server.access import Keys
from bridge.server.api import add_api
from bridge.server.socket import Switchboard
from bridge.server.watching import Watchers
from bridge.server.web import WebServer, make_web
from bridge.settings import Settings
from bridge.tooling import RESERVED, after_calls, joined, mcp_servers

if TYPE_CHECKING:
    from bridge.server.webhook import Webhook
    from bridge.store import Archive, Recorder
    from bridge.store.deliveries.deliveries import Deliveries

_log = structlog.get_logger(__name__)


_LAST_CALLS = 2.0
"""Seconds in which, at the end, the webhook learns of the calls that were still going on."""


class Bridge:
    """Everything one process runs. Enter it to load and serve, leave it to hang up and stop."""

    def __init__(self, settings: Settings, rehearsal: Rehearsal | None = None) -> None:
        self.settings = settings
        self.recorder = None if rehearsal else _recorder(settings)
        deliveries = None if self.recorder is None else _deliveries(settings)
        self._after_calls = after_calls(self._deliver, deliveries)
        self.tools = ToolShelf(
            settings.tools_dir,
            threads=ToolThreads(settings.tool_threads),
            reserved=RESERVED,
            spool=self._after_calls,
        )
        self.mcp = mcp_servers(settings)
        self.toolbox = joined(self.tools, self.mcp)
        self.prompts = PromptShelf(settings.prompts_dir)
        self.personas = Personas(settings, self.prompts, lambda: self.toolbox.current, rehearsal)
        self.webhook = _webhook(settings, self.recorder, deliveries)
        self._watching: asyncio.Task[None] | None = None
        self._closing = AsyncExitStack()
        watchers = Watchers()
        self.board = self._switchboard(watchers, rehearsal)
        app = make_web(self.board, watchers, self.findings)
        add_api(app, self._archive, settings.api_tokens)
        self._server = WebServer(
            app,
            host=settings.host,
            port=settings.port,
            shutdown_timeout=settings.shutdown_timeout,
        )

    async def __aenter__(self) -> Self:
        """Load tools and prompts, and open the port.

        Raises:
            SettingsError: the port cannot be had, the record cannot be kept, or a persona names
                what is not there.
        """
        shelves: list[Shelf] = [self.tools, self.prompts, *self.personas.shelves]
        for shelf in shelves:
            await shelf.reload()
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.mcp)
            for persona in self.personas:
                persona.agent()
            if self.recorder is not None:
                await stack.enter_async_context(self.recorder)
                await self.board.calls.earlier.warm()
            if self.webhook is not None:
                await stack.enter_async_context(self.webhook)
            await stack.enter_async_context(self._after_calls)
            await self._server.start()
            self._closing = stack.pop_all()
        self._watching = asyncio.create_task(watch(shelves), name="watch")
        for model in self.personas.models:
            if warm := getattr(model.chat, "warm", None):
                await warm()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Hang up, stop watching, close the connections to the models."""
        await self._server.stop()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait({self._watching})
        for model in self.personas.models:
            await close_model(model.chat)
        if self.webhook is not None and self.recorder is not None:
            with suppress(TimeoutError):  # then they are sent after the next start
                async with asyncio.timeout(_LAST_CALLS):
                    await self.recorder.written()
        await self._closing.aclose()

    @property
    def port(self) -> int:
        """The port it listens on, or will."""
        return self._server.port

    def findings(self) -> dict[str, Any]:
        """What is loaded and what is not, for /healthz."""
        toolbox, prompts = self.toolbox.current, self.prompts.current
        for persona in self.personas:
            persona.agent()  # finds out what has gone missing
        failures = [*toolbox.failures, *prompts.failures, *self.personas.failures]
        return {
            "version": __version__,
            "model": self.personas.default.models[0].name,
            "personas": [persona.name for persona in self.personas],
            "tools": [tool.name for tool in toolbox.tools],
            "record": {"state": "off"} if self.recorder is None else self.recorder.status(),
            "webhook": {"state": "off"} if self.webhook is None else self.webhook.status(),
            "after_calls": self._after_calls.status(),
            "thinking_ahead": {name: self.board.calls.ahead[name] for name in AHEAD_COUNTS},
            "continuation": {name: self.board.calls.continuation[name] for name in RECALL_COUNTS},
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

    def _archive(self) -> "Archive | None":
        return None if self.recorder is None else self.recorder.archive

    async def _deliver(self, payload: Mapping[str, Any]) -> None:
        await deliver(payload, {tool.name: tool for tool in self.toolbox.current.tools})

    def _observer(self, watchers: Watchers) -> Observer:
        def observe(call: CallData, event: CallEvent) -> None:
            watchers(call, event)
            self._after_calls(call, event)

        return observe

    def _switchboard(self, watchers: Watchers, rehearsal: Rehearsal | None) -> Switchboard:
        settings = self.settings
        record = NoRecord if self.recorder is None else self.recorder.open
        default = self.personas.default
        base = CallSetup(
            agent=default.agent,
            prompts=lambda: default.prompts.current,
            lexicon=lambda: default.prompts.current.lexicon,
            observe=self._observer(watchers),
            record=rehearsal.record if rehearsal else record,
            earlier=rehearsal.earlier if rehearsal else _earlier(settings, self.recorder),
            memory_tokens=settings.memory_tokens,
            include_metadata_in_prompt=settings.include_metadata_in_prompt,
            turn_timeout=settings.turn_timeout,
            max_answer_chars=settings.max_answer_chars,
            flush_first_clause=settings.flush_first_clause,
            goodbye_timeout=settings.goodbye_timeout,
            history_tokens=settings.history_tokens,
            sessions=Sessions(settings.resume_window),
        )
        tokens = {name: persona.tokens for name, persona in settings.personas.items()}
        return Switchboard(
            calls=self.personas.dress(base),
            personas=self.personas.setups,
            keys=Keys(settings.tokens, tokens),
            max_calls=settings.max_calls,
            send_timeout=settings.send_timeout,
            first_message_timeout=settings.first_message_timeout,
            heartbeat=settings.heartbeat,
        )


def _recorder(settings: Settings) -> "Recorder | None":
    if settings.record == "off":
        return None
    from bridge.store import Recorder, RecordSetup  # noqa: PLC0415 - SQLAlchemy takes 0.4 s

    return Recorder(
        RecordSetup(
            url=settings.database_url.get_secret_value(),
            level=settings.record,
            spool_dir=settings.spool_dir,
            spool_limit=settings.spool_limit_mb << 20,
            retention_days=settings.retention_days,
        )
    )


def _deliveries(settings: Settings) -> "Deliveries":
    from bridge.store.deliveries.deliveries import Deliveries  # noqa: PLC0415 - as above

    return Deliveries(settings.spool_dir / "deliveries")


def _webhook(
    settings: Settings, recorder: "Recorder | None", deliveries: "Deliveries | None"
) -> "Webhook | None":
    url, secret = settings.webhook_url, settings.webhook_secret
    if recorder is None or deliveries is None or url is None or secret is None:
        return None
    from bridge.server.webhook import Webhook  # noqa: PLC0415 - as above

    webhook = Webhook(
        url.get_secret_value(), secret.get_secret_value(), lambda: recorder.archive, deliveries
    )
    recorder.on_ended = webhook.ended
    return webhook


def _earlier(settings: Settings, recorder: "Recorder | None") -> Earlier:
    if recorder is None:
        return NoEarlier()
    from bridge.store.reading.earlier import EarlierCalls, Rules  # noqa: PLC0415 - as above

    rules = Rules(
        continuation=settings.continuation,
        remember_callers=settings.remember_callers,
        resume_window=settings.resume_window,
    )
    return EarlierCalls(recorder, rules)

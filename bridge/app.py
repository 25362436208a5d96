"""The composition root: settings in, a running bridge out. Only this module knows everyone."""

import asyncio
import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

import structlog

from bridge import __version__
from bridge.agent.closing import close_model
from bridge.agent.rehearsal import Rehearsal
from bridge.agentview import AgentView
from bridge.call.ahead import COUNTS as AHEAD_COUNTS
from bridge.call.events import CallData, CallEvent, NoRecord, Observer
from bridge.call.recall import COUNTS as RECALL_COUNTS
from bridge.call.sessions import Sessions
from bridge.call.setup import CallSetup
from bridge.call.spans import UNTRACED
from bridge.keeping import deliveries_of, earlier_of, recorder_of, webhook_of
from bridge.local.door import Door
from bridge.metering import Meters
from bridge.personas import Personas
from bridge.plugins.millis.tools import deliver
from bridge.plugins.prompt_shelf import PromptShelf
from bridge.plugins.shelf import ToolShelf
from bridge.plugins.threads import ToolThreads
from bridge.plugins.watch import Shelf, watch
from bridge.server.access import Keys
from bridge.server.console.pulse import Pulse
from bridge.server.console.routes import Watching
from bridge.server.draining import drain
from bridge.server.socket import Switchboard
from bridge.server.watching import Watchers
from bridge.serving import Operating, Ports
from bridge.settings import Settings
from bridge.tooling import RESERVED, after_calls, joined, mcp_servers

if TYPE_CHECKING:
    from bridge.store import Archive
    from bridge.traces.exporting import Traces

_log = structlog.get_logger(__name__)


_LAST_CALLS = 2.0
"""Seconds in which, at the end, the webhook learns of the calls that were still going on."""
_HURRY_CALLS, _HURRY_RECORD, _HURRY_TRACES = 0.5, 1.0, 0.5
"""Seconds, when it has to be quick, that calls may take to end, the record to be written, and the
last spans to be sent."""


class Bridge:
    """Everything one process runs. Enter it to load and serve, leave it to hang up and stop.

    It opens the ports of the settings, or serves on sockets that are open already: `listening`.
    Nobody traces its calls but `traces`.
    """

    def __init__(
        self,
        settings: Settings,
        rehearsal: Rehearsal | None = None,
        listening: Sequence[socket.socket] = (),
        traces: "Traces | None" = None,
    ) -> None:
        self.settings = settings
        self._traces = traces
        self.recorder = None if rehearsal else recorder_of(settings)
        deliveries = None if self.recorder is None else deliveries_of(settings)
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
        self.webhook = webhook_of(settings, self.recorder, deliveries)
        self.meters = Meters(lambda: self.toolbox.current, self.personas.models)
        self._watching: asyncio.Task[None] | None = None
        self._closing = AsyncExitStack()
        watchers, pulse = Watchers(), Pulse()
        self.board = self._switchboard(
            (watchers, pulse, self.meters.calls, self._after_calls), rehearsal
        )
        prompts = (self.prompts, *self.personas.shelves)
        self.meters.read(self.board, self.findings, self.tools, prompts)
        operating = Operating(
            archive=self._archive,
            metrics=self.meters.page,
            exhibit=self._exhibit(pulse),
            watching=Watching(watchers, pulse),
            door=self._door,
        )
        self.ports = Ports(settings, self.board, self.findings, operating, listening)

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
            if self._traces is not None:
                await stack.enter_async_context(self._traces)
            await stack.enter_async_context(self.mcp)
            for persona in self.personas:
                persona.agent()
            if self.recorder is not None:
                await stack.enter_async_context(self.recorder)
                await self.board.calls.earlier.warm()
            if self.webhook is not None:
                await stack.enter_async_context(self.webhook)
            await stack.enter_async_context(self._after_calls)
            stack.enter_context(self.meters.loop)
            stack.push_async_callback(self._stop)
            await self.ports.start()
            self._watching = asyncio.create_task(watch(shelves), name="watch")
            for model in self.personas.models:
                if warm := getattr(model.chat, "warm", None):
                    await warm()
            self._closing = stack.pop_all()
        return self

    async def drain(self) -> None:
        """Before leaving it: have the live calls end by themselves, and take no more.

        Returns when none is left, or after `drain_timeout`. May be cancelled.
        """
        settings = self.settings
        await drain(self.board, pre_drain=settings.pre_drain, timeout=settings.drain_timeout)

    def hurry(self) -> None:
        """Before leaving it, or meanwhile: be quick, whoever is not ready."""
        self.ports.hurry(_HURRY_CALLS)
        if self.recorder is not None:
            self.recorder.patience = min(self.recorder.patience, _HURRY_RECORD)
        if self._traces is not None:
            self._traces.patience = min(self._traces.patience, _HURRY_TRACES)

    async def __aexit__(self, *_: object) -> None:
        """Hang up, stop watching, close the connections to the models."""
        await self._closing.aclose()

    async def _stop(self) -> None:
        await self.ports.stop()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait({self._watching})
        for model in self.personas.models:
            await close_model(model.chat)
        if self.webhook is not None and self.recorder is not None:
            with suppress(TimeoutError):  # then they are sent after the next start
                async with asyncio.timeout(min(_LAST_CALLS, self.recorder.patience)):
                    await self.recorder.written()

    @property
    def port(self) -> int:
        """The port that Millis dials, or will."""
        return self.ports.calls.port

    def findings(self) -> dict[str, Any]:
        """What is loaded and what is not, for /healthz."""
        toolbox, prompts = self.toolbox.current, self.prompts.current
        for persona in self.personas:
            persona.agent()  # finds out what has gone missing
        failures = [*toolbox.failures, *prompts.failures, *self.personas.failures]
        return {
            "version": __version__,
            "worker": {"pid": os.getpid(), "of": self.settings.workers},
            "model": self.personas.default.models[0].name,
            "personas": [persona.name for persona in self.personas],
            "tools": [tool.name for tool in toolbox.tools],
            "record": self._record_status(),
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

    def _door(self, persona: str) -> Door | None:
        """The way in for a call from a page, to a persona or to whom its agent leads."""
        settings = self.settings
        if persona and persona not in settings.personas:
            return None
        door = Door.at(settings.host, self.port, next(iter(settings.tokens), ""))
        own = settings.personas[persona].tokens[:1] if persona else ()
        steps = [persona, *(quote(token, safe="") for token in own)] if persona else []
        return replace(door, url="/".join([door.url, *steps]))

    def _archive(self) -> "Archive | None":
        return None if self.recorder is None else self.recorder.archive

    async def _deliver(self, payload: Mapping[str, Any]) -> None:
        await deliver(payload, {tool.name: tool for tool in self.toolbox.current.tools})

    def _exhibit(self, pulse: Pulse) -> AgentView:
        return AgentView(
            self.settings, self.personas, lambda: self.toolbox.current, self._record_status, pulse
        )

    def _record_status(self) -> dict[str, Any]:
        return {"state": "off"} if self.recorder is None else self.recorder.status()

    def _switchboard(
        self, observers: Sequence[Observer], rehearsal: Rehearsal | None
    ) -> Switchboard:
        settings = self.settings
        record = NoRecord if self.recorder is None else self.recorder.open
        default = self.personas.default
        base = CallSetup(
            agent=default.agent,
            prompts=lambda: default.prompts.current,
            lexicon=lambda: default.prompts.current.lexicon,
            observe=_all_of(observers),
            record=rehearsal.record if rehearsal else record,
            trace=self._traces.call if self._traces else lambda: UNTRACED,
            earlier=rehearsal.earlier if rehearsal else earlier_of(settings, self.recorder),
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


def _all_of(observers: Sequence[Observer]) -> Observer:
    def observe(call: CallData, event: CallEvent) -> None:
        for observer in observers:
            observer(call, event)

    return observe

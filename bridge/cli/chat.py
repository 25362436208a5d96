"""`bridge chat`: talk to the agent in the terminal, as a caller would through Millis."""

import asyncio
import contextlib
import signal
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console

from bridge.local.answer import LineLost
from bridge.local.caller import Caller
from bridge.local.dialing import CallRefused
from bridge.local.door import Door
from bridge.local.keyboard import Keyboard
from bridge.local.outside import health_of, watched
from bridge.local.plain import plain
from bridge.local.screen import YOU, Screen
from bridge.local.terminal import Terminal
from bridge.logs import configure_logs
from bridge.settings import LOOPBACK, Settings

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Call:
    """What the call to be made is like."""

    agent_id: str
    session_id: str | None
    metadata: Mapping[str, Any]
    caller: str | None


def chat(settings: Settings, call: Call, *, url: str | None, in_process: bool) -> int:
    """Hold a conversation; the exit code is 0 unless the bridge cannot be reached or is lost."""
    # What goes wrong is told in the conversation; log lines would cut through it.
    configure_logs(
        "debug" if settings.log_level == "debug" else "error",
        settings.log_format,
        settings.secrets,
        private=settings.log_private,
    )
    try:
        asyncio.run(_chat(settings, call, url=url, in_process=in_process))
    except (CallRefused, LineLost) as error:
        sys.stderr.write(f"bridge: {plain(error)}\n")
        return 1
    return 0


async def _chat(settings: Settings, call: Call, *, url: str | None, in_process: bool) -> None:
    screen = Screen(Console(highlight=False))
    token = settings.tokens[0] if settings.tokens else ""
    async with contextlib.AsyncExitStack() as stack:
        keyboard = stack.enter_context(Keyboard(YOU))
        terminal = Terminal(screen, keyboard)
        loop = asyncio.get_running_loop()
        for name in _SIGNALS:
            loop.add_signal_handler(name, terminal.break_in)
        if url is not None:
            door = _door_of(url, settings, token)
            health = await health_of(door)
        else:
            door = Door.at(settings.host, settings.port, token)
            health = None if in_process or not settings.port else await health_of(door)
        if url is None and health is None:
            door, health = await _in_process(settings, token, stack)
            where = "a bridge in this process"
        else:
            where = f"the bridge at {door.shown}"
        _welcome(screen, where, health, typed=keyboard.typed)
        try:
            await _call(door, call, terminal)
        except CallRefused as error:
            raise CallRefused(f"no call to {door.shown}: {error}", error.status) from None
        finally:
            screen.pause_words()
            for name in _SIGNALS:  # a tool may run on for seconds: now Ctrl-C ends that, too
                loop.remove_signal_handler(name)


def _door_of(url: str, settings: Settings, token: str) -> Door:
    """Where a typed URL leads; our own token stays here if that is not our own bridge."""
    door = Door.read(url)
    ours = door.host in LOOPBACK or door.host == settings.host
    return Door.read(url, token) if ours else door


async def _in_process(
    settings: Settings, token: str, stack: contextlib.AsyncExitStack
) -> tuple[Door, dict[str, Any]]:
    from bridge.app import Bridge  # noqa: PLC0415 - takes a second, and mostly another one runs

    here = settings.model_copy(update={"host": "127.0.0.1", "port": 0})
    bridge = await stack.enter_async_context(Bridge(here))
    return Door.at("127.0.0.1", bridge.port, token), bridge.findings()


def _welcome(screen: Screen, where: str, health: dict[str, Any] | None, *, typed: bool) -> None:
    screen.say(f"Talking to {where}.")
    if health is not None:
        tools = health["tools"]
        names = ", ".join(map(str, tools)) if isinstance(tools, list) and tools else "none"
        screen.say(f"model: {health['model']} · tools: {names}")
        failures = health["failures"]
        for failure in failures if isinstance(failures, list) else ():
            if isinstance(failure, dict):
                line = f":{failure.get('line')}" if failure.get("line") else ""
                screen.warn(f"not loaded: {failure.get('file')}{line}: {failure.get('reason')}")
    if typed:
        screen.say("Ctrl-C interrupts the agent; at the prompt it hangs up, as Ctrl-D does.")
    screen.say("")


async def _call(door: Door, call: Call, terminal: Terminal) -> None:
    session_id = call.session_id or f"chat-{uuid.uuid4().hex[:12]}"
    numbers = {"from": call.caller, "to": None} if call.caller else None
    async with (
        watched(door, session_id, terminal.tell) as watching,
        Caller.dial(
            door.url,
            token=door.token,
            session_id=session_id,
            agent_id=call.agent_id,
            metadata=dict(call.metadata) or None,
            voip=numbers,
        ) as caller,
    ):
        await terminal.talk(caller, watching=watching)

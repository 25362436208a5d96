"""`bridge serve`: run the server until it is told to stop."""

import asyncio
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from bridge import __version__
from bridge.app import Bridge
from bridge.cli.running import Told, run
from bridge.logs import configure_logs
from bridge.settings import DEFAULT_MODEL, DEMO, Settings
from bridge.settings.reading import unknown_variables
from bridge.traces.choosing import traces_of_process


def serve(settings: Settings, started: Callable[[], None]) -> None:
    """Serve calls until told to stop, and return. `started` is called once it does.

    SIGTERM drains; Ctrl-C, and a second signal, are quick.
    """
    configure_logs(
        settings.log_level,
        settings.log_format,
        settings.secrets,
        private=settings.log_private,
    )
    if settings.workers > 1:
        from bridge.cli.workers import supervise  # noqa: PLC0415 - gunicorn is an extra

        supervise(settings, started)
    else:
        asyncio.run(_serve(settings, started))


async def _serve(settings: Settings, started: Callable[[], None]) -> None:
    told = Told.by_signals()

    def ready(bridge: Bridge) -> None:
        started()
        welcome(bridge)  # last: who reads this and calls at once does not wait for the rest

    traces = traces_of_process(private=settings.log_private)
    await run(Bridge(settings, traces=traces), told, ready)


def welcome(bridge: Bridge) -> None:
    """Print what a person needs to know next."""
    console = Console(highlight=False, soft_wrap=True)  # a command is not to be cut in two
    settings = bridge.settings
    address, apart = escape(bridge.ports.calls.address), escape(bridge.ports.operating.address)
    secret = "/<your token>" if settings.token else ""
    console.print(f"[bold]millis-bridge {__version__}[/bold] is listening")
    for label, text in (
        ("model", _model(bridge)),
        ("tools", _names(tool.name for tool in bridge.toolbox.current.tools)),
        ("prompts", _names(sorted(bridge.prompts.current.templates))),
        ("Millis", f"ws://{address}/millis{secret}  (from outside: wss://YOUR-HOST/…)"),
        ("health", f"http://{address}/healthz"),
        ("console", f"http://{apart}/console"),
        ("talk", f"[bold]{_command()} chat[/bold]  in a second terminal"),
    ):
        console.print(f"  {label:<8} {text}")
    toolbox, prompts = bridge.toolbox.current, bridge.prompts.current
    for failure in (*toolbox.failures, *prompts.failures):
        console.print(f"[red]not loaded[/red] {escape(str(failure))}")
    for name in unknown_variables():
        console.print(f"[yellow]ignored[/yellow] {escape(name)}: no such setting")
    sys.stdout.flush()


def _model(bridge: Bridge) -> str:
    names = " → ".join(model.name for model in bridge.personas.default.models)
    if bridge.personas.default.models[0].name != DEMO:
        return names
    return (
        "demo: built in, without a key or a network, and not a real language model\n"
        "           for a real one: "
        f"export OPENAI_API_KEY=sk-… BRIDGE_MODEL={DEFAULT_MODEL}, and start again"
    )


def _names(names: Iterable[str]) -> str:
    return escape(", ".join(names)) or "none"


def _command() -> str:
    """How this program was called, so that the next command works as printed."""
    program = Path(sys.argv[0])
    if program.name == "__main__.py":
        return "python -m bridge.cli"
    if not program.is_absolute():
        return str(program)
    if Path(os.environ.get("PATH", "").split(os.pathsep)[0]) == program.parent:
        return program.name
    try:
        return str(program.relative_to(Path.cwd()))
    except ValueError:
        return str(program)

"""The command line. Each command imports what it needs, so that `--help` is instant."""
# ruff: noqa: PLC0415 - see above

import json
import os
import signal
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from bridge import __version__
from bridge.cli import calls, given, litter
from bridge.cli.output import printed
from bridge.errors import SettingsError

app = typer.Typer(
    help="Answer Millis AI phone calls with your own LangChain agent.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
_db = typer.Typer(no_args_is_help=True, help="Look after the database of the record.")

Host = Annotated[str | None, typer.Option(help="Address to listen on (BRIDGE_HOST).")]
Port = Annotated[int | None, typer.Option(help="Port to listen on (BRIDGE_PORT).")]
Model = Annotated[str | None, typer.Option(help="Chat model, as provider:name (BRIDGE_MODEL).")]
Workers = Annotated[
    int | None, typer.Option(help="Processes that share the port (BRIDGE_WORKERS).")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
Metadata = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=VALUE", help="Metadata of the call; repeatable, or a JSON object."),
]

_REPLAY: Final = (
    "Play a recorded caller to today's prompts, tools and model, and show what differs.\n\n"
    "A bridge in this process answers; nothing is kept of it. Every turn is asked as it was then, "
    "after the recorded conversation, and silence is skipped.\n\n"
    "Tools that only read are run. Of one with side effects, a call equal to a recorded one gets "
    "the recorded result, after as long as then; any other is not run, and the model is told so. "
    "--recorded gives the model's recorded answers at the speed that they had.\n\n"
    "Exit code 0: nothing differs. 1: other tools were used, or with another outcome; a turn fails "
    "that did not, or is missing; with --recorded, other words were said. Without it, a model may "
    "choose its words. 2: the call cannot be replayed, such as one of which only metadata was kept."
)
_TEST: Final = (
    "Play scenarios to your agent, and check what it says and does.\n\n"
    "A scenario is a call written down beforehand, in YAML: docs/scenarios.md. A bridge in this "
    "process answers; nothing is kept of it. With the demo or a scripted model no time passes and "
    "no network is needed.\n\n"
    "Tools that only read are run. One with side effects gives what the scenario has for it; "
    "without that it is not run, and the scenario fails.\n\n"
    "Exit code 0: all passed. 1: one failed. 2: one cannot be played, such as one with a mistake "
    "in it."
)


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Folder to make, here.")],
) -> None:
    """Make a project of your own: an agent with a tool, prompts, a scenario and tests."""
    from bridge.cli.new import new

    new(name)


@app.command()
def serve(
    host: Host = None, port: Port = None, model: Model = None, workers: Workers = None
) -> None:
    """Start the server that Millis dials."""
    # Until there is something to end decently. A container's first process would not hear it.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    with litter.left_alone():
        settings = given.settings(
            host=host, port=port, model=model, workers=workers
        )  # first: say what is wrong
        from bridge.cli.serve import serve

        serve(settings, litter.settle)


@app.command()
def chat(
    url: Annotated[
        str | None,
        typer.Argument(
            help="Bridge to talk to, as ws://HOST:PORT/millis; else the one that runs here, "
            "else one in this process."
        ),
    ] = None,
    agent_id: Annotated[str, typer.Option(help="agent_id of the call.")] = "chat",
    session_id: Annotated[str | None, typer.Option(help="session_id of the call.")] = None,
    metadata: Metadata = None,
    caller: Annotated[
        str | None, typer.Option("--from", metavar="NUMBER", help="Number the caller dials from.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Talk to a bridge in this process with this model.")
    ] = None,
) -> None:
    """Play Millis in the terminal: type to the agent and read its words as they come."""
    if url and model:
        raise typer.BadParameter("a bridge that runs has its own model", param_hint="--model")
    settings, data = given.settings(model=model), _metadata(metadata)
    from bridge.cli.chat import Call, chat

    call = Call(agent_id, session_id, data, caller)
    raise SystemExit(chat(settings, call, url=url, in_process=model is not None))


@app.command()
def tools(
    as_json: Json = False,
    persona: Annotated[
        str | None, typer.Option(metavar="NAME", help="Show what this persona may use.")
    ] = None,
) -> None:
    """Show the tools that load, and what keeps the others from it."""
    settings = given.settings()
    from bridge.cli.tools import tools

    raise SystemExit(tools(settings, as_json=as_json, persona=persona))


@app.command()
def models(as_json: Json = False) -> None:
    """List the providers of models: what is installed, what a missing one needs, which is used."""
    settings = given.settings()
    from bridge.cli.models import models

    models(settings, as_json=as_json)


@app.command()
def doctor(metadata: Metadata = None, as_json: Json = False) -> None:
    """Check settings, models, prompts, tools and the port; say what to do about each problem."""
    data = _metadata(metadata)
    from bridge.cli.doctor import doctor

    raise SystemExit(doctor(given.settings, data, as_json=as_json))


@app.command(help=_REPLAY)
def replay(  # noqa: PLR0913 - as many as can be typed
    session: Annotated[
        str,
        typer.Argument(metavar="SESSION", help="Session of the call, or the bridge's id of it."),
    ],
    *,
    recorded: Annotated[
        bool, typer.Option("--recorded", help="Against the model's recorded answers.")
    ] = False,
    model: Annotated[str | None, typer.Option(help="Against this model, as provider:name.")] = None,
    live_tools: Annotated[
        bool,
        typer.Option(
            "--live-tools",
            help="Really run tools with side effects: what was ordered is ordered again.",
        ),
    ] = False,
    interrupts: Annotated[
        Literal["words", "time"],
        typer.Option(
            help="Speak over an answer after as much of it was said as then (before its first "
            "word: after as long as then), or always after as long as then."
        ),
    ] = "words",
    real_time: Annotated[
        bool, typer.Option("--real-time", help="Keep the silence between turns.")
    ] = False,
    fast: Annotated[
        bool, typer.Option("--fast", help="Give recorded answers and results at once.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Play a recorded caller to today's bridge."""
    if recorded and model:
        raise typer.BadParameter("recorded answers need no model", param_hint="--model")
    settings = given.settings(model=model)
    from bridge.cli.rehearser import Manner
    from bridge.cli.replay import replay

    manner = Manner(
        recorded=recorded,
        model=model,
        live_tools=live_tools,
        fast=fast,
        real_time=real_time,
        interrupts=interrupts,
    )
    raise SystemExit(replay(settings, session, manner, as_json=as_json))


@app.command("test", help=_TEST)
def play_scenarios(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE…]", help="Scenarios, or folders of them; else scenarios/."),
    ] = None,
    *,
    model: Annotated[
        str | None, typer.Option(help="Against this model, as provider:name, whatever they say.")
    ] = None,
    repeat: Annotated[int, typer.Option(min=1, max=1000, help="Play each so many times.")] = 1,
    pass_rate: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="The part of the runs that must pass.")
    ] = 1.0,
    judge: Annotated[
        str | None,
        typer.Option(help="Model that decides on `judge`; else the one that answers, if real."),
    ] = None,
    junit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a report for CI to this file.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Play scenarios to the agent."""
    settings = given.settings(model=model)
    from bridge.cli.test import Manner, test

    manner = Manner(model, repeat, pass_rate, judge)
    raise SystemExit(test(settings, files or (), manner, report=junit, as_json=as_json))


@_db.command()
def upgrade() -> None:
    """Bring the tables up to date, as `bridge serve` does when it starts."""
    settings = given.settings()
    from bridge.cli.db import upgrade

    raise SystemExit(upgrade(settings))


app.add_typer(calls.commands, name="calls")
app.add_typer(_db, name="db")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"millis-bridge {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Options before the command."""


def _metadata(items: list[str] | None) -> dict[str, Any]:
    """Read `KEY=VALUE` and JSON objects, the later ones winning."""
    metadata: dict[str, Any] = {}
    for item in items or ():
        name, equals, value = item.partition("=")
        try:
            more = json.loads(item) if item.lstrip().startswith("{") else {name: value}
        except ValueError as error:
            raise typer.BadParameter(f"not JSON ({error})", param_hint="--metadata") from None
        if not equals and more == {name: value}:
            raise typer.BadParameter(f"{item!r} is not KEY=VALUE", param_hint="--metadata")
        metadata |= more
    return metadata


def main() -> None:
    """Run the command line; what cannot start says why in one line and exits with 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show an arrow
    try:
        with printed():
            app()
    except SettingsError as error:
        typer.echo(f"bridge: {error}", err=True)
        raise SystemExit(2) from None

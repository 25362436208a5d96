"""The command line. Each command imports what it needs, so that `--help` is instant."""
# ruff: noqa: PLC0415 - see above

import json
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bridge import __version__
from bridge.errors import SettingsError

if TYPE_CHECKING:
    from bridge.settings import Settings

app = typer.Typer(
    help="Answer Millis AI phone calls with your own LangChain agent.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Host = Annotated[str | None, typer.Option(help="Address to listen on (BRIDGE_HOST).")]
Port = Annotated[int | None, typer.Option(help="Port to listen on (BRIDGE_PORT).")]
Model = Annotated[str | None, typer.Option(help="Chat model, as provider:name (BRIDGE_MODEL).")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
Metadata = Annotated[
    list[str] | None,
    typer.Option(metavar="KEY=VALUE", help="Metadata of the call; repeatable, or a JSON object."),
]


@app.command()
def serve(host: Host = None, port: Port = None, model: Model = None) -> None:
    """Start the server that Millis dials."""
    settings = _settings(host=host, port=port, model=model)  # first: what is wrong is said at once
    from bridge.cli.serve import serve

    serve(settings)


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
    settings, data = _settings(model=model), _metadata(metadata)
    from bridge.cli.chat import Call, chat

    call = Call(agent_id, session_id, data, caller)
    raise SystemExit(chat(settings, call, url=url, in_process=model is not None))


@app.command()
def tools(as_json: Json = False) -> None:
    """Show the tools that load, and what keeps the others from it."""
    settings = _settings()
    from bridge.cli.tools import tools

    raise SystemExit(tools(settings, as_json=as_json))


@app.command()
def doctor(metadata: Metadata = None, as_json: Json = False) -> None:
    """Check settings, models, prompts, tools and the port; say what to do about each problem."""
    data = _metadata(metadata)
    from bridge.cli.doctor import doctor

    raise SystemExit(doctor(_settings, data, as_json=as_json))


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


def _settings(**overrides: object) -> "Settings":
    from dotenv import load_dotenv

    from bridge.settings import load_settings

    load_dotenv(Path(".env"))
    return load_settings(**{name: value for name, value in overrides.items() if value is not None})


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
        app()
    except SettingsError as error:
        typer.echo(f"bridge: {error}", err=True)
        raise SystemExit(2) from None

"""`bridge calls`: its commands and what may be typed after them."""
# ruff: noqa: PLC0415 - each command imports what it needs, so that `--help` is instant

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from bridge.cli import given
from bridge.cli.moments import HELP, moment

if TYPE_CHECKING:
    from bridge.store.shapes import Filters

_SLOW: Final = "2000"
_LONGEST: Final = 86_400_000


class _ListByDefault(TyperGroup):
    """`bridge calls --failed` is `bridge calls list --failed`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put in the command that was left out."""
        completing = ctx.resilient_parsing
        if not completing and (not args or (args[0].startswith("-") and args[0] != "--help")):
            args = ["list", *args]
        return super().parse_args(ctx, args)


class _Filtered(TyperCommand):
    """A command whose `--slow` needs no number, which typer knows no word for."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put in the number that was left out."""
        return super().parse_args(ctx, list(_with_numbers(args)))


def _with_numbers(args: list[str]) -> Iterator[str]:
    for argument, following in pairwise([*args, ""]):
        yield argument
        if argument == "--slow" and not re.fullmatch(r"-?\d+", following):
            yield _SLOW


commands = typer.Typer(
    cls=_ListByDefault,
    help="Read the record of calls. Without a command, the newest are listed: "
    "`bridge calls list --help` shows what can be filtered.",
)

Agent = Annotated[str | None, typer.Option(metavar="ID", help="Of this agent_id.")]
Caller = Annotated[str | None, typer.Option(metavar="NUMBER", help="From this number.")]
Session = Annotated[str | None, typer.Option(metavar="ID", help="Of this session.")]
Since = Annotated[str | None, typer.Option(metavar="WHEN", help=f"Started then or later: {HELP}.")]
Until = Annotated[str | None, typer.Option(metavar="WHEN", help="Started before then.")]
Interrupted = Annotated[bool, typer.Option("--interrupted", help="The caller spoke over a turn.")]
Failed = Annotated[bool, typer.Option("--failed", help="A turn ended with an apology.")]
Slow = Annotated[
    int | None,
    typer.Option(
        metavar="[MS]",
        min=1,
        max=_LONGEST,
        help=f"A first word took so many milliseconds, or {_SLOW}.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]
Name = Annotated[
    str, typer.Argument(metavar="SESSION", help="Session of the call, or the bridge's id of it.")
]
_NAMED: Final = {"ignore_unknown_options": True}
"""A session may begin with a dash."""

_ERASE: Final = (
    "Erase calls for good: those of a session, or all from a number.\n\n"
    "Every connection goes, with all that was said and done in it. Of a call that is going on, "
    "nothing more is kept either. What functions have still to do after the call is called off, as "
    "far as it waits in the spool of this machine.\n\n"
    "A call that the database does not know yet is looked for in the spool of this machine "
    "(BRIDGE_SPOOL_DIR), and nothing of it will be kept. A bridge on another machine tells the "
    "database of a new call within a second or two, or when the database is back. `/healthz` there "
    "says how much is waiting: once that is nothing, erase again.\n\n"
    "Copies that you have made yourself, by `bridge calls export` or as backups, stay."
)


@commands.command("list", cls=_Filtered)
def list_calls(  # noqa: PLR0913 - as many as can be typed
    *,
    agent: Agent = None,
    caller: Caller = None,
    session: Session = None,
    since: Since = None,
    until: Until = None,
    interrupted: Interrupted = False,
    failed: Failed = False,
    slow: Slow = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, max=500, help="How many at most.")] = 25,
    after: Annotated[
        str | None,
        typer.Option(metavar="CURSOR", help="Go on from there; the end of a list says where."),
    ] = None,
    as_json: Json = False,
) -> None:
    """List the newest calls."""
    filters = _filters(
        agent=agent,
        caller=caller,
        session=session,
        since=since,
        until=until,
        interrupted=interrupted,
        failed=failed,
        slow_ms=slow,
    )
    from bridge.cli.reading import list_calls

    raise SystemExit(
        list_calls(given.settings(), filters, limit=limit, after=after, as_json=as_json)
    )


@commands.command(context_settings=_NAMED)
def show(
    session: Name,
    frames: Annotated[
        bool, typer.Option("--frames", help="Show the messages on the wire, too.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show a call as it went: words, waits, tools and cuts, connection by connection."""
    _text("SESSION", session)
    from bridge.cli.reading import show

    raise SystemExit(show(given.settings(), session, frames=frames, as_json=as_json))


@commands.command(cls=_Filtered)
def export(  # noqa: PLR0913 - as many as can be typed
    *,
    agent: Agent = None,
    caller: Caller = None,
    session: Session = None,
    since: Since = None,
    until: Until = None,
    interrupted: Interrupted = False,
    failed: Failed = False,
    slow: Slow = None,
    no_frames: Annotated[
        bool, typer.Option("--no-frames", help="Leave out the messages on the wire.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Write to this file, for your eyes only."
        ),
    ] = None,
) -> None:
    """Print calls whole, as JSON, one a line, oldest first."""
    filters = _filters(
        agent=agent,
        caller=caller,
        session=session,
        since=since,
        until=until,
        interrupted=interrupted,
        failed=failed,
        slow_ms=slow,
    )
    from bridge.cli.export import export

    raise SystemExit(export(given.settings(), filters, frames=not no_frames, output=output))


@commands.command(context_settings=_NAMED)
def to_scenario(
    session: Name,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write to this file, which is not there.")
    ] = None,
    words: Annotated[
        bool, typer.Option("--words", help="Expect the agent's words, too, sentence by sentence.")
    ] = False,
    numbers: Annotated[
        bool, typer.Option("--numbers", help="Keep the telephone numbers of the call.")
    ] = False,
) -> None:
    """Make a scenario of a call for `bridge test`; what the agent said stands in comments."""
    _text("SESSION", session)
    from bridge.cli.to_scenario import to_scenario

    raise SystemExit(to_scenario(given.settings(), session, out=out, words=words, numbers=numbers))


@commands.command(context_settings=_NAMED, help=_ERASE)
def erase(
    session: Annotated[
        str | None,
        typer.Argument(metavar="SESSION", help="Session of the call, or the bridge's id of it."),
    ] = None,
    caller: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="Erase every call from this number.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Erase calls for good: those of a session, or all from a number."""
    if (session is None) == (caller is None):
        raise typer.BadParameter("name a SESSION, or a number by --caller")
    session, caller = _text("SESSION", session), _text("--caller", caller)
    from bridge.cli.erasing import erase

    raise SystemExit(erase(given.settings(), session, caller, yes=yes))


def _filters(
    *, agent: str | None, caller: str | None, session: str | None, **others: Any
) -> "Filters":
    from bridge.store.shapes import Filters

    return Filters(
        agent=_text("--agent", agent),
        caller=_text("--caller", caller),
        session=_text("--session", session),
        since=_moment("--since", others.pop("since")),
        until=_moment("--until", others.pop("until")),
        **others,
    )


def _text(option: str, text: str | None) -> str | None:
    """Check that something can be looked for: databases take only what is UTF-8."""
    try:
        if text is None or text.encode():
            return text
    except UnicodeEncodeError:
        raise typer.BadParameter("not UTF-8", param_hint=option) from None
    raise typer.BadParameter("empty", param_hint=option)


def _moment(option: str, text: str | None) -> datetime | None:
    try:
        return None if text is None else moment(text, datetime.now(UTC))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None

"""Settings: every default, where values come from, and what is said of a wrong one (F13, G4)."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from bridge.app import Bridge
from bridge.errors import SettingsError
from bridge.settings import DEFAULT_MODEL, DEMO, Settings
from bridge.settings.reading import load_settings, unknown_variables
from tests.cli.commands import bridge as run_bridge

CANARY = "canary-5f1c"
LONG = "canary-0123456789abcdef"

DEFAULTS: dict[str, Any] = {
    "host": "127.0.0.1",
    "port": 8080,
    "admin_port": None,
    "admin_host": "127.0.0.1",
    "token": (),
    "max_calls": 1000,
    "workers": 1,
    "model": None,
    "fallback_models": (),
    "temperature": None,
    "tools_dir": Path("tools"),
    "prompts_dir": Path("prompts"),
    "include_metadata_in_prompt": False,
    "greeting": "template",
    "max_answer_chars": 4000,
    "first_word_timeout": 8.0,
    "token_timeout": 5.0,
    "turn_timeout": 60.0,
    "tool_timeout": 10.0,
    "tool_threads": 16,
    "max_model_calls": 8,
    "max_tool_calls": 10,
    "max_parallel_tools": 4,
    "first_message_timeout": 10.0,
    "send_timeout": 5.0,
    "heartbeat": 20.0,
    "pre_drain": 5.0,
    "drain_timeout": 600.0,
    "shutdown_timeout": 5.0,
    "log_level": "info",
    "log_format": "auto",
    "flush_first_clause": True,
    "filler_after": 1.5,
    "think_ahead": "final",
    "silence_after": 0.0,
    "end_call": True,
    "goodbye_timeout": 5.0,
    "resume_window": 300.0,
    "history_tokens": 24_000,
    "record": "full",
    "database_url": SecretStr("sqlite+aiosqlite:///calls.db"),
    "retention_days": 0,
    "spool_dir": Path("calls.spool"),
    "spool_limit_mb": 256,
    "continuation": "by-id",
    "remember_callers": False,
    "memory_tokens": 1000,
    "api_token": (),
    "log_private": False,
    "console_token": (),
    "webhook_url": None,
    "webhook_secret": None,
    "destinations": {},
    "tools": {},
    "personas": {},
    "mcp": {},
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, without variables of ours."""
    for name in list(os.environ):
        if name.upper().startswith(("BRIDGE_", "OPENAI_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(text: str) -> None:
    Path("bridge.toml").write_text(text)


def problem(**overrides: object) -> str:
    """Load and fail; what is said."""
    with pytest.raises(SettingsError) as caught:
        load_settings(**overrides)
    said = str(caught.value)
    assert "\n" not in said
    assert CANARY not in said
    # A traceback of the cause would show the value.
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return said


# ── where a value comes from ─────────────────────────────────────────────────────────────────────


def test_every_default_is_as_documented() -> None:
    settings = load_settings()
    assert {name: getattr(settings, name) for name in Settings.model_fields} == DEFAULTS


def test_a_variable_wins_over_the_file_and_the_command_line_over_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write('port = 1\nhost = "localhost"\nmax_calls = 7')
    assert load_settings().port == 1
    monkeypatch.setenv("BRIDGE_PORT", "2")
    assert load_settings().port == 2
    settings = load_settings(port=3)
    assert (settings.port, settings.host, settings.max_calls) == (3, "localhost", 7)


def test_settings_do_not_change() -> None:
    settings = load_settings()
    with pytest.raises(ValueError, match="frozen"):
        setattr(settings, "port", 1)  # noqa: B010 - mypy knows it, too


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("one", ("one",)),
        ("one,two", ("one", "two")),
        (" one , two ,", ("one", "two")),
        ("", ()),
        (" , ", ()),
    ],
)
def test_tokens_are_a_list_with_commas(
    monkeypatch: pytest.MonkeyPatch, text: str, read: tuple[str, ...]
) -> None:
    monkeypatch.setenv("BRIDGE_TOKEN", text)
    assert load_settings().tokens == read


def test_tokens_in_the_file_may_be_a_list_or_a_text() -> None:
    write('token = ["one", "two"]')
    assert load_settings().tokens == ("one", "two")
    write('token = "one, two"')
    assert load_settings().tokens == ("one", "two")


def test_a_token_is_not_shown_by_accident() -> None:
    write(f'token = ["{CANARY}"]')
    settings = load_settings()
    assert CANARY not in f"{settings!r} {settings} {settings.model_dump_json()}"


@pytest.mark.parametrize("text", ['"openai:a, demo"', '["openai:a", "demo"]'])
def test_fallback_models_are_tried_in_their_order(text: str) -> None:
    write(f"fallback_models = {text}")
    assert load_settings().fallback_models == ("openai:a", "demo")


def test_fallback_models_come_from_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDGE_FALLBACK_MODELS", "openai:a,demo")
    assert load_settings().fallback_models == ("openai:a", "demo")


@pytest.mark.parametrize(
    ("model", "key", "chosen"),
    [
        (None, None, DEMO),
        ("", None, DEMO),
        (None, "", DEMO),
        (None, "sk-x", DEFAULT_MODEL),
        ("", "sk-x", DEFAULT_MODEL),
        ("demo", "sk-x", "demo"),
        ("openai:other", None, "openai:other"),
    ],
)
def test_without_a_key_the_demo_answers(
    monkeypatch: pytest.MonkeyPatch, model: str | None, key: str | None, chosen: str
) -> None:
    for name, value in (("BRIDGE_MODEL", model), ("OPENAI_API_KEY", key)):
        if value is not None:
            monkeypatch.setenv(name, value)
    assert load_settings().chosen_model == chosen


async def test_a_tools_own_time_limit_reaches_the_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    write("tool_timeout = 4\n[tools.book]\ntimeout = 20\n[tools.look]\n")
    monkeypatch.setenv("BRIDGE_MODEL", "demo")
    settings = load_settings()
    assert settings.tools["book"].timeout == 20.0
    assert settings.tools["look"].timeout is None
    bridge = Bridge(settings)
    agent = bridge.personas.default.agent()
    assert agent.limits.tool_timeout == 4.0
    assert agent.overrides == {"book": {"timeout": 20.0}, "look": {}}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("sqlite:///mine.db", "sqlite+aiosqlite:///mine.db"),
        ("sqlite+aiosqlite:////var/calls.db", "sqlite+aiosqlite:////var/calls.db"),
        ("postgres://me:pw@host/calls", "postgresql+asyncpg://me:pw@host/calls"),
        ("postgresql://host/calls", "postgresql+asyncpg://host/calls"),
        ("postgresql+asyncpg://host/calls", "postgresql+asyncpg://host/calls"),
    ],
)
def test_a_database_is_named_as_people_name_it(written: str, read: str) -> None:
    assert load_settings(database_url=written).database_url.get_secret_value() == read


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://me:{CANARY}@host/calls",
        f"calls-{CANARY}.db",
        "",
        f"postgresql://me:{CANARY}@[::1",
        f"postgresql://me:{CANARY}@host:port/calls",
    ],
)
def test_a_database_that_cannot_be_used_is_refused_without_its_password(url: str) -> None:
    assert "write sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME" in problem(
        database_url=url
    )


def test_every_secret_is_known_so_that_it_can_be_blotted_out() -> None:
    settings = load_settings(
        token="one,two",
        api_token="three",
        database_url="postgresql://me:p%40ss@host/calls",
        webhook_url="https://host/path?key=four",
        webhook_secret="five",
    )
    assert set(settings.secrets) == {
        *("one", "two", "three", "p%40ss", "p@ss", "https://host/path?key=four", "five")
    }
    assert load_settings().secrets == ()


def test_a_webhook_needs_an_address_and_a_secret() -> None:
    address = f"https://crm.example/hook?key={CANARY}"
    settings = load_settings(webhook_url=address, webhook_secret="s" * 32)
    assert settings.webhook_url is not None
    assert settings.webhook_url.get_secret_value() == address
    assert "BRIDGE_WEBHOOK_SECRET is not set" in problem(webhook_url=address)
    assert "BRIDGE_WEBHOOK_URL is not set" in problem(webhook_secret=CANARY)
    for wrong in (f"ftp://{CANARY}", CANARY, f"https:// {CANARY}"):
        assert "write https://HOST/PATH" in problem(webhook_url=wrong, webhook_secret="s")
    off = problem(webhook_url=address, webhook_secret="s", record="off")
    assert "BRIDGE_RECORD is off" in off


# ── what is said of a wrong one ──────────────────────────────────────────────────────────────────

TIMES = [name for name, value in DEFAULTS.items() if name.endswith("timeout")] + ["heartbeat"]
COUNTS = [n for n, v in DEFAULTS.items() if isinstance(v, int) and n.startswith(("max", "tool_"))]

WRONG: list[tuple[str, str, str]] = [
    ("port", CANARY, "valid integer"),
    ("port", "65536", "less than or equal to 65535"),
    ("port", "-1", "greater than or equal to 0"),
    ("port", "8080.5", "valid integer"),
    ("port", "", "valid integer"),
    ("temperature", "hot", "valid number"),
    ("temperature", "2.1", "less than or equal to 2"),
    ("include_metadata_in_prompt", CANARY, "valid boolean"),
    ("greeting", CANARY, "'template', 'model' or 'off'"),
    ("log_level", "loud", "'debug', 'info', 'warning' or 'error'"),
    ("log_format", "xml", "'auto', 'json' or 'pretty'"),
    *((name, CANARY, "valid number") for name in TIMES),
    *((name, "0", "greater than 0") for name in TIMES),
    *((name, "nan", "") for name in TIMES),
    *((name, "inf", "finite") for name in TIMES),
    *((name, "0", "greater than or equal to 1") for name in COUNTS),
    *((name, "1.5", "valid integer") for name in COUNTS),
]


@pytest.mark.parametrize(("name", "value", "why"), WRONG)
def test_a_wrong_value_is_named_with_its_place_and_what_it_should_be(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, why: str
) -> None:
    write(f"{name} = {json.dumps(value)}")
    said = problem()
    assert said.startswith(f"bridge.toml: {name}: ")
    assert why in said
    write("")
    monkeypatch.setenv(f"BRIDGE_{name.upper()}", value)
    said = problem()
    assert said.startswith(f"BRIDGE_{name.upper()}: ")
    assert why in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("port = []", "bridge.toml: port: "),
        ("host = 5", "bridge.toml: host: "),
        (f"token = [['{CANARY}']]", "bridge.toml: token.0: "),
        ("token = ['']", "bridge.toml: token.0: "),
        ("token = 5", "bridge.toml: token: "),
        ("fallback_models = [7]", "bridge.toml: fallback_models.0: "),
        ("tools_dir = 7", "bridge.toml: tools_dir: "),
        ("tools = 7", "bridge.toml: tools: "),
        ("[tools.book]\ntimeout = 0", "bridge.toml: tools.book.timeout: "),
        (f"[tools.book]\ntimeout = '{CANARY}'", "bridge.toml: tools.book.timeout: "),
        ("prot = 1", "bridge.toml: prot: no such setting (did you mean port?)"),
        ("zzz = 1", "bridge.toml: zzz: no such setting"),
        ("[tols.book]\ntimeout = 1", "bridge.toml: tols: no such setting (did you mean tools?)"),
        (
            "[tools.book]\ntimout = 1",
            "bridge.toml: tools.book.timout: no such setting (did you mean timeout?)",
        ),
        ("[tools.book]\nretry = 1", "bridge.toml: tools.book.retry: no such setting"),
        (r'"a\nb\u001b[31m" = 1', r"bridge.toml: a\nb\x1b[31m: no such setting"),
        ("webhook_url = 'https://[::1'", "bridge.toml: webhook_url: not a web address"),
    ],
)
def test_a_wrong_key_or_shape_in_the_file_is_named(text: str, said: str) -> None:
    write(text)
    assert problem().startswith(said)
    if "did you mean" not in said:
        assert "did you mean" not in problem()


def test_all_that_is_wrong_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    write("heartbeat = 0")
    monkeypatch.setenv("BRIDGE_PORT", "x")
    said = problem()
    assert "BRIDGE_PORT: " in said
    assert "; " in said
    assert "bridge.toml: heartbeat: " in said


def test_a_wrong_option_is_named_as_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRIDGE_PORT", "1")
    assert problem(port=70_000).startswith("--port: ")


def test_a_variable_in_small_letters_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("bridge_port", "x")
    assert problem().startswith("BRIDGE_PORT: ")


@pytest.mark.parametrize("text", ["port = ", "port 1", f"token = '{CANARY}", "a = 1\na = 2", "[["])
def test_broken_toml_is_told_with_its_line(text: str) -> None:
    write(text)
    said = problem()
    assert said.startswith("bridge.toml: ")
    assert "line" in said or "end of document" in said


def test_a_file_that_is_no_text_is_told() -> None:
    Path("bridge.toml").write_bytes(b"host = '\xff'")
    assert problem().startswith("bridge.toml: not UTF-8")


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("TOOLS", "[tools.NAME]"),
        ("PERSONAS", "[personas.NAME]"),
        ("MCP", "[mcp.NAME]"),
        ("DESTINATIONS", "[destinations]"),
    ],
)
def test_a_table_in_a_variable_is_sent_to_the_file(
    monkeypatch: pytest.MonkeyPatch, name: str, table: str
) -> None:
    monkeypatch.setenv(f"BRIDGE_{name}", CANARY)
    assert problem() == f"BRIDGE_{name}: not JSON; `{table}` belongs in bridge.toml"


def test_what_is_too_deep_or_too_long_to_be_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    write("port = " + "[" * 5_000)
    assert problem() == "bridge.toml, or a BRIDGE_ variable: nested too deeply"
    write("port = " + "1" * 5_000)
    assert problem() == "bridge.toml: a number has too many digits"
    write("")
    monkeypatch.setenv("BRIDGE_TOOLS", "[" * 100_000)
    assert problem() == "bridge.toml, or a BRIDGE_ variable: nested too deeply"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "10.0.0.5"])  # noqa: S104
def test_no_address_that_others_reach_without_a_token(  # G4
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.setenv("BRIDGE_HOST", host)
    said = problem()
    assert "BRIDGE_HOST" in said
    assert "BRIDGE_TOKEN" in said
    monkeypatch.setenv("BRIDGE_TOKEN", " , ")
    problem()
    monkeypatch.setenv("BRIDGE_TOKEN", LONG)
    assert load_settings().host == host


@pytest.mark.parametrize("name", ["token", "api_token", "console_token", "personas.sales.token"])
def test_no_address_that_others_reach_with_a_token_that_can_be_guessed(name: str) -> None:  # G1
    *table, key = name.split(".")
    write("\n".join([*(f"[{'.'.join(table)}]" for _ in table[:1]), f'{key} = ["{LONG[:15]}"]']))
    said = problem(host="0.0.0.0", **({} if name == "token" else {"token": LONG}))  # noqa: S104
    assert "fewer than 16 characters" in said
    assert LONG[:15] not in said
    assert load_settings().host == "127.0.0.1"


def test_the_operators_port_opens_to_others_with_a_long_token_only() -> None:  # G25
    everywhere = {"admin_host": "0.0.0.0", "admin_port": 9090}  # noqa: S104
    assert load_settings(admin_host="0.0.0.0").admin_port is None  # noqa: S104 - it has no port
    assert "none of them could read" in problem(**everywhere)
    assert "fewer than 16 characters, and BRIDGE_ADMIN_HOST" in problem(
        **everywhere, api_token=LONG[:15]
    )
    for door in ("api_token", "console_token"):
        assert load_settings(**everywhere, **{door: LONG}).admin_port == 9090


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_ones_own_machine_needs_no_token(host: str) -> None:
    assert load_settings(host=host).host == host


def test_variables_that_mean_nothing_are_found_with_what_they_may_have_meant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BRIDGE_PORT", "1")
    monkeypatch.setenv("BRIDGE_PROT", "1")
    monkeypatch.setenv("BRIDGE_QQQ", "1")
    monkeypatch.setenv("BRIDGE_TEST_THING", "1")
    assert unknown_variables() == ["BRIDGE_PROT (did you mean BRIDGE_PORT?)", "BRIDGE_QQQ"]


@pytest.mark.parametrize("command", ["serve", "tools"])
async def test_a_wrong_value_ends_the_program_with_code_2_and_one_line(
    folder: Path, command: str
) -> None:
    ran = await run_bridge(command, cwd=folder, BRIDGE_PORT=CANARY, BRIDGE_TOKEN=CANARY)
    assert (ran.code, ran.out) == (2, "")
    (line,) = ran.err.splitlines()
    assert line.startswith("bridge: BRIDGE_PORT: ")
    assert CANARY not in line

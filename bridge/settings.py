"""Every setting and its default, on one page.

Read once, from `BRIDGE_*` variables first and then from `bridge.toml` in the working folder.
"""

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
)
from pydantic_core import PydanticCustomError
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from pydantic_settings import SettingsError as UnreadableSetting

from bridge.errors import SettingsError

FILE: Final = Path("bridge.toml")
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
DEMO: Final = "demo"
DEFAULT_MODEL: Final = "openai:gpt-4.1-mini"


_DESTINATION = re.compile(r"(?! )[\w -]{1,64}(?<! )")
_NUMBER = re.compile(r"\+[0-9]{3,15}|sips?:[^\s@]+@[^\s@]+")


def _items(value: object) -> object:
    """Accept `a, b` where a list is meant, as variables have no lists."""
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    return value


def _callable(destinations: dict[str, str]) -> dict[str, str]:
    """Check that the model can tell the names apart, and that a telephone can dial the numbers."""
    for name, number in destinations.items():
        if not _DESTINATION.fullmatch(name):
            raise PydanticCustomError(
                "name",
                "{name} is no name for a destination: use 1 to 64 letters, digits, spaces, - or _",
                {"name": repr(name)},
            )
        if not _NUMBER.fullmatch(number):
            raise PydanticCustomError(
                "number",
                "{name} is no number to transfer to: write + and digits, or sip:somebody@somewhere",
                {"name": repr(name)},
            )
    return destinations


Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Pause = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_items)]
Secrets = Annotated[
    tuple[Annotated[SecretStr, Field(min_length=1)], ...], NoDecode, BeforeValidator(_items)
]


class ToolSettings(BaseModel):
    """What `[tools.NAME]` in bridge.toml says of a tool, over what its `@policy` says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    read_only: bool | None = None
    """It changes nothing: it may start early and be stopped."""
    timeout: Seconds | None = None
    """Seconds this tool may take."""
    filler: str | None = None
    """What the caller hears when it keeps them waiting."""
    on_interrupt: Literal["finish", "cancel"] | None = None
    """Whether it runs to its end when the caller speaks."""
    once: bool | None = None
    """Whether an equal call is not run again before the caller has heard the outcome."""


class Settings(BaseSettings):
    """What the person who runs the bridge decides."""

    model_config = SettingsConfigDict(
        env_prefix="BRIDGE_",
        toml_file=FILE,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    # ── the door ──
    host: str = "127.0.0.1"
    """Address to listen on; beyond loopback only with a token."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """Port to listen on; 0 takes a free one."""
    token: Secrets = ()
    """Secrets that Millis may dial in with; several, comma-separated, while rotating."""
    max_calls: Count = 1000
    """Calls at once; more are refused with 503."""

    # ── the agent ──
    model: str | None = None
    """Chat model, as `provider:name`; `demo` needs no key. Unset: OpenAI with a key, else demo."""
    fallback_models: Names = ()
    """Models to try in turn when the first one fails before its first word."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    """Passed to the model when set."""
    tools_dir: Path = Path("tools")
    """Folder of tool modules, watched for changes."""
    prompts_dir: Path = Path("prompts")
    """Folder of prompt templates, watched for changes."""
    history_tokens: Annotated[int, Field(ge=500)] = 24_000
    """Tokens of conversation the model reads (estimated); the oldest go first."""
    include_metadata_in_prompt: bool = False
    """Add the call's metadata to the system prompt, as data, even if Millis does not ask for it."""

    # ── what the caller hears ──
    greeting: Literal["template", "model", "off"] = "template"
    """First words: `prompts/greeting.md`, the model's own, or none (Millis greets)."""
    flush_first_clause: bool = True
    """Have the first clause of an answer spoken before its sentence is complete."""
    filler_after: Pause = 1.5
    """Seconds of waiting after which the caller hears a filler; 0 for none."""
    think_ahead: Literal["off", "final", "any"] = "final"
    """Begin the answer on a final (or any) partial transcript, before Millis asks for it."""
    silence_after: Pause = 0.0
    """Seconds of the caller's silence after which they are asked again; 0 for never."""
    max_answer_chars: Count = 4000
    """Characters an answer may have; the rest is cut."""

    # ── the line ──
    end_call: bool = True
    """Give the model a tool that ends the call."""
    goodbye_timeout: Seconds = 5.0
    """Seconds that the end of last words may be reported late before the call ends anyway."""
    resume_window: Seconds = 300.0
    """Seconds in which a call whose socket dropped goes on where it was."""

    # ── limits ──
    first_word_timeout: Seconds = 8.0
    """Seconds for the first token of an answer, retries and fallback models included."""
    token_timeout: Seconds = 5.0
    """Seconds between two tokens of an answer."""
    turn_timeout: Seconds = 60.0
    """Seconds for a whole answer, tools included."""
    tool_timeout: Seconds = 10.0
    """Seconds for one tool; `[tools.NAME] timeout` in bridge.toml overrides it."""
    tool_threads: Count = 16
    """Threads for tools that are not async."""
    max_model_calls: Count = 8
    """Model calls in one turn; the last one must answer."""
    max_tool_calls: Count = 10
    """Tool calls in one turn."""
    max_parallel_tools: Count = 4
    """Tools of one turn that run at the same time."""
    first_message_timeout: Seconds = 10.0
    """Seconds a new socket may stay silent."""
    send_timeout: Seconds = 5.0
    """Seconds a peer may leave a frame unread before it is cut off."""
    heartbeat: Seconds = 20.0
    """Seconds between WebSocket pings."""
    shutdown_timeout: Seconds = 5.0
    """Seconds that calls may take to end when the server stops."""

    # ── logs ──
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least important log line that is written."""
    log_format: Literal["auto", "json", "pretty"] = "auto"
    """Log lines as JSON, or coloured for people; auto asks whether it is a terminal."""

    destinations: Annotated[dict[str, str], AfterValidator(_callable)] = Field(default_factory=dict)
    """Numbers that calls may be transferred to, by the name the model knows; in bridge.toml."""
    tools: dict[str, ToolSettings] = Field(default_factory=dict)
    """`[tools.NAME]` tables, by tool name; only in bridge.toml."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Command line, then variables, then bridge.toml."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @property
    def tokens(self) -> tuple[str, ...]:
        """The secrets in clear, for comparing only."""
        return tuple(secret.get_secret_value() for secret in self.token)

    @property
    def chosen_model(self) -> str:
        """The model to use: the one set, OpenAI's if there is a key, or the demo."""
        if self.model:
            return self.model
        return DEFAULT_MODEL if os.environ.get("OPENAI_API_KEY") else DEMO


def load_settings(**overrides: Any) -> Settings:
    """Read the settings; `overrides` come from the command line.

    Raises:
        SettingsError: a value is wrong, in one line that names it, its place and what it should be.
    """
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        problems = (_problem(dict(one), overrides) for one in error.errors(include_input=False))
        raise SettingsError("; ".join(problems)) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{FILE}: {error}") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{FILE}: not UTF-8 (byte {error.start})") from None
    except OSError as error:
        raise SettingsError(f"{FILE}: {error.strerror}") from None
    except UnreadableSetting:
        raise SettingsError(f"BRIDGE_TOOLS: not JSON; `[tools.NAME]` belongs in {FILE}") from None
    if settings.host not in LOOPBACK and not settings.token:
        raise SettingsError(
            f"BRIDGE_HOST is {settings.host or 'empty'}, which others can reach, and no token is "
            "set: set BRIDGE_TOKEN to a long secret (openssl rand -hex 32), or listen on 127.0.0.1"
        )
    return settings


def unknown_variables() -> list[str]:
    """`BRIDGE_*` variables that mean nothing here, each with the name it may have meant."""
    known = {name.upper() for name in Settings.model_fields}
    strangers = (
        name.removeprefix("BRIDGE_")
        for name in sorted(os.environ)
        if name.startswith("BRIDGE_") and name.removeprefix("BRIDGE_") not in known
        if not name.startswith(("BRIDGE_TEST_", "BRIDGE_REQUIRE_"))
    )
    return [f"BRIDGE_{name}{_suggestion(name, known, 'BRIDGE_')}" for name in strangers]


def _suggestion(name: str, known: set[str], prefix: str = "") -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {prefix}{near[0]}?)" if near else ""


def _problem(error: dict[str, Any], overrides: Mapping[str, Any]) -> str:
    path = [str(part) for part in error["loc"]] or ["settings"]
    variable = f"BRIDGE_{path[0].upper()}"
    if path[0] in overrides:
        where = f"--{path[0].replace('_', '-')}"
    elif variable in map(str.upper, os.environ):
        where = variable
    else:
        where = f"{FILE}: {'.'.join(path)}"
    if error["type"] == "extra_forbidden":
        known = ToolSettings.model_fields if len(path) > 1 else Settings.model_fields
        return f"{where}: no such setting" + _suggestion(path[-1], set(known))
    message = error["msg"]
    return f"{where}: {message[0].lower()}{message[1:]}"

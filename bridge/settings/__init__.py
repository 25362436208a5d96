"""Every setting and its default, on one page.

Read once, from `BRIDGE_*` variables first and then from `bridge.toml` in the working folder.
"""

import os
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from bridge.settings.kinds import (
    Count,
    Names,
    Pause,
    Seconds,
    Secrets,
    database,
    dialable,
    web_address,
)
from bridge.settings.mcp import McpSettings, well_named
from bridge.settings.tables import (
    DEFAULT_PERSONA,
    Greeting,
    PersonaSettings,
    Temperature,
    ThinkAhead,
    ToolSettings,
    named_apart,
)

FILE: Final = Path("bridge.toml")
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
DEMO: Final = "demo"
DEFAULT_MODEL: Final = "openai:gpt-4.1-mini"


class Settings(BaseSettings):
    """What the person who runs the bridge decides."""

    model_config = SettingsConfigDict(
        env_prefix="BRIDGE_",
        toml_file=FILE,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    # ── the door ──
    host: str = "127.0.0.1"
    """Address to listen on; beyond loopback only with a token."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """Port to listen on; 0 takes a free one."""
    admin_port: Annotated[int, Field(ge=0, le=65535)] | None = None
    """Port of its own for `/metrics`, `/console` and `/api`; unset: they are on `port`."""
    admin_host: str = "127.0.0.1"
    """Address that `admin_port` listens on."""
    token: Secrets = ()
    """Secrets that Millis may dial in with; several, comma-separated, while rotating."""
    max_calls: Count = 1000
    """Calls at once, of one process; more are refused with 503."""
    workers: Count = 1
    """Processes that share the port, each on a core of its own."""

    # ── the agent ──
    model: str | None = None
    """Chat model, as `provider:name`; `demo` needs no key. Unset: OpenAI with a key, else demo."""
    fallback_models: Names = ()
    """Models to try in turn when the first one fails before its first word."""
    temperature: Temperature | None = None
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
    greeting: Greeting = "template"
    """First words: `prompts/greeting.md`, the model's own, or none (Millis greets)."""
    flush_first_clause: bool = True
    """Have the first clause of an answer spoken before its sentence is complete."""
    filler_after: Pause = 1.5
    """Seconds of waiting after which the caller hears a filler; 0 for none."""
    think_ahead: ThinkAhead = "final"
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

    # ── the record ──
    record: Literal["full", "text", "metadata", "off"] = "full"
    """What is kept of calls: all, no frames, no words either, or nothing."""
    database_url: Annotated[SecretStr, AfterValidator(database)] = SecretStr(
        "sqlite+aiosqlite:///calls.db"
    )
    """Where the record is kept; `postgresql://…` for several replicas."""
    retention_days: Annotated[int, Field(ge=0)] = 0
    """Days after which a call is deleted from the record; 0 keeps them for ever."""
    spool_dir: Path = Path("calls.spool")
    """Folder on a local disk where the record waits for its database."""
    spool_limit_mb: Count = 256
    """MiB that may wait there; then the oldest go, counted and logged."""
    continuation: Literal["by-id", "same-caller", "off"] = "by-id"
    """Who may go on from an earlier call: who names it, only its own caller, nobody."""
    remember_callers: bool = False
    """A known number or `metadata.user_id` goes on from their last call without naming it."""
    memory_tokens: Annotated[int, Field(ge=100)] = 1000
    """Tokens of an earlier call that the model reads (estimated)."""
    api_token: Secrets = ()
    """Secrets that `/api/calls` may be read with; without, only from this machine."""
    console_token: Secrets = ()
    """Secrets that open `/console`; without, only from this machine."""
    webhook_url: Annotated[SecretStr, AfterValidator(web_address)] | None = None
    """Gets each call when it has ended; needs `webhook_secret`."""
    webhook_secret: SecretStr | None = None
    """Signs what the webhook gets (HMAC-SHA256)."""

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
    pre_drain: Pause = 5.0
    """Seconds after SIGTERM in which calls are still taken: a load balancer has to notice first."""
    drain_timeout: Seconds = 600.0
    """Seconds after SIGTERM in which the live calls may end by themselves."""
    shutdown_timeout: Seconds = 5.0
    """Seconds that calls may take to end when they are hung up because the server stops."""

    # ── logs ──
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least important log line that is written."""
    log_format: Literal["auto", "json", "pretty"] = "auto"
    """Log lines as JSON, or coloured for people; auto asks whether it is a terminal."""
    log_private: bool = False
    """Leave phone numbers in log lines, and what exceptions say; tell in spans what is said."""

    destinations: Annotated[dict[str, str], AfterValidator(dialable)] = Field(default_factory=dict)
    """Numbers that calls may be transferred to, by the name the model knows; in bridge.toml."""
    tools: dict[str, ToolSettings] = Field(default_factory=dict)
    """`[tools.NAME]` tables, by tool name; only in bridge.toml."""
    personas: Annotated[dict[str, PersonaSettings], AfterValidator(named_apart)] = Field(
        default_factory=dict
    )
    """`[personas.NAME]` tables: agents with prompts, tools, models of their own; in bridge.toml."""
    mcp: Annotated[dict[str, McpSettings], AfterValidator(well_named)] = Field(default_factory=dict)
    """`[mcp.NAME]` tables: MCP servers whose tools the agent may use; only in bridge.toml."""

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
    def api_tokens(self) -> tuple[str, ...]:
        """The API's secrets in clear, for comparing only."""
        return tuple(secret.get_secret_value() for secret in self.api_token)

    @property
    def console_tokens(self) -> tuple[str, ...]:
        """The console's secrets in clear, for comparing only."""
        return tuple(secret.get_secret_value() for secret in self.console_token)

    @property
    def doors(self) -> dict[str, tuple[str, ...]]:
        """The secrets that somebody may enter with, by the name of their setting."""
        return {
            "BRIDGE_TOKEN": self.tokens,
            "BRIDGE_API_TOKEN": self.api_tokens,
            "BRIDGE_CONSOLE_TOKEN": self.console_tokens,
            **{f"{FILE}: personas.{name}.token": one.tokens for name, one in self.personas.items()},
        }

    @property
    def secrets(self) -> tuple[str, ...]:
        """Everything that must not be shown, in clear, so that it can be taken out."""
        webhook = (self.webhook_url, self.webhook_secret)
        password = urlsplit(self.database_url.get_secret_value()).password
        return (
            *(token for tokens in self.doors.values() for token in tokens),
            *(secret for server in self.mcp.values() for secret in server.secrets if secret),
            *(secret.get_secret_value() for secret in webhook if secret is not None),
            *((password, unquote(password)) if password else ()),
        )

    def of_persona(self, name: str) -> Self:
        """The settings as they are for one persona."""
        if name == DEFAULT_PERSONA:
            return self
        return self.model_copy(update=self.personas[name].overrides(self.tools))

    @property
    def chosen_model(self) -> str:
        """The model to use: the one set, OpenAI's if there is a key, or the demo."""
        if self.model:
            return self.model
        return DEFAULT_MODEL if os.environ.get("OPENAI_API_KEY") else DEMO

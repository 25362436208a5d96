"""What the person who runs the bridge writes: `bridge/settings`, and the lexicon of `prompts/`."""

import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager
from typing import Any

from bridge.errors import SettingsError
from bridge.settings import FILE, Settings
from bridge.settings.reading import load_settings
from bridge.speech import Lexicon
from tests.fuzz.target import Target, encoded, folder, text_of

CANARY = "canary-5f1c"
NAMED = (str(FILE), "BRIDGE_")
"""Each error begins with where it is wrong."""


@contextmanager
def working_with(file: bytes, variables: Mapping[str, str]) -> Iterator[None]:
    """Have this bridge.toml in an empty folder, and these variables of ours alone."""
    before = dict(os.environ)
    with folder() as place, chdir(place):
        FILE.write_bytes(file)
        for name in before:
            if name.upper().startswith("BRIDGE_"):
                del os.environ[name]
        os.environ.update(variables)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def is_read_or_told(given: Mapping[str, Any]) -> None:
    """Settings are read, and of use, or one line says what is wrong, and quotes no secret."""
    secret = all(is_secret(path) for path in canaries(given))
    try:
        settings = load_settings()
    except SettingsError as error:
        said = str(error)
        assert said.startswith(NAMED), said
        assert said.isprintable(), said
        assert not secret or CANARY not in said, said
        return
    assert all(isinstance(one, str) for one in settings.secrets)
    for name in settings.personas:
        settings.of_persona(name)
    assert not secret or CANARY not in repr(settings)


def canaries(value: object, *path: str) -> Iterator[tuple[str, ...]]:
    """Where they stand; a key that is one is a place without a secret's name."""
    if isinstance(value, str) and CANARY in value:
        yield path
    elif isinstance(value, list):
        for item in value:
            yield from canaries(item, *path)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from ((key,),) if CANARY in key else canaries(inner, *path, key)


def is_secret(path: tuple[str, ...]) -> bool:
    """Whether a secret is what belongs there."""
    match path:
        case (
            ["personas", _, "token"] | ["mcp", _, "args" | "url"] | ["mcp", _, "env" | "headers", _]
        ):
            return True
        case [name]:
            return name.endswith(("token", "_secret", "_url"))
        case _:
            return False


def check_file(data: bytes) -> None:
    """A bridge.toml of these bytes."""
    try:
        given = tomllib.loads(text_of(data))
    except (ValueError, RecursionError):
        given = {}  # whatever is told of it quotes nothing
    with working_with(data, {}):
        is_read_or_told(given)


def check_variables(data: bytes) -> None:
    """Variables, as a line of `NAME=value` for each; an odd byte in one is none of Unicode."""
    text = data.replace(b"\0", b"").decode("utf-8", "surrogateescape")
    pairs = (line.partition("=") for line in text.split("\n"))
    variables = {f"BRIDGE_{name}": value for name, is_one, value in pairs if is_one}
    with working_with(b"", variables):
        is_read_or_told({name[7:].lower(): read(value) for name, value in variables.items()})


def read(value: str) -> object:
    """What a variable's value means."""
    try:
        return json.loads(value) if value.startswith("{") else value
    except (ValueError, RecursionError):
        return {}


def check_lexicon(data: bytes) -> None:
    """A lexicon.toml of these bytes: what was read speaks as it says, or one line says what not."""
    with folder() as place:
        file = place / "lexicon.toml"
        file.write_bytes(data)
        try:
            lexicon = Lexicon.load(file)
        except SettingsError as error:
            assert str(error).startswith(f"{file}: ")
            return
        words = tomllib.loads(file.read_text(encoding="utf-8")).get("words", {})
        for word, said in words.items():
            assert lexicon.find(word) == said


SECRETS = f"""\
token = "{CANARY}-0123456789"
api_token = ["{CANARY}-0123456789", "{CANARY}-9876543210"]
database_url = "postgresql://user:{CANARY}@host/name"
webhook_url = "https://{CANARY}@example.com/hook"
webhook_secret = "{CANARY}"
"""
TABLES = f"""\
host = "127.0.0.1"
port = 0
fallback_models = "openai:a, openai:b"
[destinations]
"front desk" = "+15551234567"
[tools.lookup]
timeout = 5.0
confirm = "Shall I look up {{number}}?"
[personas.sales]
agents = ["a1"]
token = "{CANARY}-abcdef0123456789"
allow = ["lookup"]
[personas.sales.tools.lookup]
read_only = true
[mcp.files]
command = "npx"
args = ["-y", "{CANARY}"]
env = {{ KEY = "{CANARY}" }}
[mcp.web]
url = "https://{CANARY}.example.com/mcp"
headers = {{ Authorization = "Bearer {CANARY}" }}
"""
VARIABLES = (
    f"TOKEN={CANARY}-0123456789\nHOST=0.0.0.0\nPORT=8080",
    f"DATABASE_URL=postgresql://u:{CANARY}@[::1]/n\nRECORD=off\nWEBHOOK_URL=https://{CANARY}/",
    'PERSONAS={"a":{"agents":["b"],"tools":{"t":{"timeout":1}}}}\nDESTINATIONS={"desk":"+1555"}',
    'MCP={"a":{"command":"c","args":["${PATH}"]}}\nTOOLS={}\nFALLBACK_MODELS=a,b\ntemperature=2',
)
FOUND_IN_FILES = (
    "port = " + "[" * 3000,
    "port = " + "1" * 5000,
    '"a\\nb" = 1',
    '"\\u001b[31m" = 1',
    'database_url = "postgresql://[::1"',
)
FOUND_IN_VARIABLES = (
    "TOOLS=" + "[" * 100_000,
    'PERSONAS={"a"',
    "MCP={",
    "DATABASE_URL=postgresql://[::1",
    "HOST=a\x1b[31m",
)
NAMES = tuple(Settings.model_fields)

SETTINGS = Target(
    "settings",
    check_file,
    encoded([SECRETS, TABLES, *FOUND_IN_FILES]),
    encoded([*"[]{}=\n\"',.#-+", '"""', "\\u0000", "\\n", "inf", "nan", "1979-05-27", "0x", "true"])
    + encoded([*NAMES, "[tools.", "[personas.", "[mcp.", "://", "sqlite:///", "${PATH}", CANARY]),
)
VARIABLE = Target(
    "variables",
    check_variables,
    encoded([*VARIABLES, *FOUND_IN_VARIABLES]),
    encoded([*'[]{}=\n",:', "\\u0000", "inf", "nan", "0x", "true", "null", CANARY, "://", "@"])
    + encoded(f"\n{name.upper()}=" for name in NAMES),
)
LEXICON = Target(
    "lexicon",
    check_lexicon,
    encoded(
        [
            '[words]\n"Siobhan" = "Shivawn"\nSQL = "sequel"\n"東京" = "Tokyo"\n',
            "x = " + "[" * 3000,
            "x = " + "1" * 5000,
            '\r[words]\ra = "b"\r',
        ]
    ),
    encoded([*"[]{}=\n\"'.#", "words", '"""', "\\u0000", "\\n", "İ", "ß", "é", "ﬁ", "東京", " = "]),
)

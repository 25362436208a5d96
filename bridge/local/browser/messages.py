"""What a page and Millis tell each other beside the sound: one class per fact. Pure.

Documented (protocol.md §2): the envelope `{"method", "data"?, "payload"?}` both ways; `initiate`
comes first, then `ping` now and then. Ours, and sent with the SDK's public `send`: `say`, a line
that is typed instead of spoken, and `interrupt`. All of it is hostile data.
"""

from typing import Annotated, Any, Final, Literal, get_args

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from bridge.errors import ProtocolError
from bridge.protocol import MAX_CONTAINERS

MAX_FRAME_BYTES: Final = 64 * 1024
"""Two seconds of sound; Chrome sends 256 bytes at a time. Larger frames close the socket (1009)."""
MAX_LINE: Final = 2000
"""Characters of a typed line that are kept: two minutes of speech."""

Metadata = Annotated[dict[str, Any], BeforeValidator(lambda v: v if isinstance(v, dict) else {})]


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


def _object(value: object) -> object:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value[:MAX_LINE].strip() if isinstance(value, str) else ""


class Agent(_Wire):
    """Who is to answer."""

    agent_id: Annotated[str, BeforeValidator(_text)] = ""
    agent_config: Annotated[dict[str, Any], BeforeValidator(_object)] = Field(default_factory=dict)


class InitiateData(_Wire):
    """What a page says of the call it wants. The public key is Millis's business."""

    agent: Annotated[Agent, BeforeValidator(_object)] = Agent()
    metadata: Any = None
    include_metadata_in_prompt: Any = None
    session_continuation: Any = None

    @property
    def about(self) -> dict[str, Any]:
        """What `start_call` passes on, as it came: the bridge reads it as it reads Millis's."""
        told = {name: getattr(self, name) for name in self.model_fields_set if name != "agent"}
        return {"agent_id": self.agent.agent_id, **told}


class Initiate(_Wire):
    """The page wants a call."""

    method: Literal["initiate"]
    data: Annotated[InitiateData, BeforeValidator(_object)] = InitiateData()


class Say(_Wire):
    """A line that somebody typed instead of speaking."""

    method: Literal["say"]
    data: Annotated[str, BeforeValidator(_text)] = ""


class Interrupt(_Wire):
    """Somebody pressed a button instead of speaking over the agent."""

    method: Literal["interrupt"]


class Ping(_Wire):
    """The page measures how long a message takes; `data` comes back."""

    method: Literal["ping"]
    data: Annotated[str, BeforeValidator(lambda v: str(v)[:64])] = ""


FromPage = Initiate | Say | Interrupt | Ping

_FROM_PAGE: TypeAdapter[FromPage] = TypeAdapter(
    Annotated[FromPage, Field(discriminator="method")],
    config=ConfigDict(hide_input_in_errors=True),
)
_METHODS = frozenset(
    get_args(kind.model_fields["method"].annotation)[0] for kind in get_args(FromPage)
)


def read(frame: str) -> FromPage:
    """Read one text frame from a page.

    Raises:
        ProtocolError: nothing in the frame can be acted on; `reason` is as in `protocol.decode`.
    """
    if frame.count("{") + frame.count("[") > MAX_CONTAINERS:
        raise ProtocolError("too_many_items")
    try:
        value = orjson.loads(frame)
        orjson.dumps(value)  # what is deeper than it can write cannot be passed on
    except (orjson.JSONDecodeError, TypeError) as error:
        raise ProtocolError("not_json") from error
    if not isinstance(value, dict):
        raise ProtocolError("not_an_object")
    method = value.get("method")
    if not isinstance(method, str) or method not in _METHODS:
        raise ProtocolError("unknown_type")
    try:
        return _FROM_PAGE.validate_python(value)
    except ValidationError as error:
        raise ProtocolError("unusable") from error


Method = Literal[
    "onready",
    "start_answering",
    "pause",
    "unpause",
    "clear",
    "ontranscript",
    "onresponsetext",
    "onfunction",
    "onsessionended",
    "pong",
    "onheard",
]
"""What a page is told. All but `onheard` are Millis's: that says what was played of an answer."""


def write(method: Method, data: str | None = None, **payload: Any) -> bytes:
    """Write one message to a page, as the UTF-8 of a text frame."""
    message: dict[str, Any] = {"method": method}
    if data is not None:
        message["data"] = data.encode("utf-8", "replace").decode()  # no lone surrogates
    if payload:
        message["payload"] = payload
    return orjson.dumps(message)

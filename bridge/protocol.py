"""Millis's custom-LLM messages: one class per fact, `decode` and `encode`. Pure.

Everything inbound is hostile data. A frame is used as far as it can be: unknown fields are ignored,
a field of the wrong shape counts as absent, and only what leaves nothing to act on is an error.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Final, Literal, NamedTuple, get_args

import orjson
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from bridge.errors import ProtocolError

MAX_FRAME_BYTES: Final = 1 << 20
"""Larger frames close the socket with 1009; four hours of talk are about half of it."""

MAX_CONTAINERS: Final = 10_000
"""Objects and lists in one frame: 1 MiB of `{}` would hold the event loop for 30 to 60 ms. A
transcript has one for each line, and four hours of talk are about 2,000 lines."""

_MAX_NAME: Final = 256
"""Characters of an id or a phone number that are kept."""

_INT64: Final = range(-(1 << 63), 1 << 63)

# A lone surrogate, or NUL, written as a JSON escape: the parser, the model's server or PostgreSQL
# would refuse it and the caller's whole sentence with it. Looks around instead of calling back for
# each match, which would hold the event loop for 100 ms in a frame full of them. Every backslash
# must begin an escape: see `_scrubbed`.
_UNFIT = re.compile(
    r"\\u(?:0000|[dD](?:"
    r"[89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    r"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD])[c-fC-F][0-9a-fA-F]{2}))"
)
_SUSPECT = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")


def _stream_id(value: object) -> int | str:
    if isinstance(value, int) and not isinstance(value, bool) and value in _INT64:
        return value
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,19}", value) and int(value) in _INT64:
        return value
    raise ValueError("a stream id is a whole number")


def _stream_id_or_none(value: object) -> int | str | None:
    try:
        return _stream_id(value)
    except ValueError:
        return None


def _name(value: object) -> str:
    return str(value)[:_MAX_NAME] if isinstance(value, str | int) else ""


def _optional_name(value: object) -> str | None:
    return _name(value) or None


def _flag(value: object) -> bool:
    return value is True or (isinstance(value, str) and value.strip().lower() == "true")


def _object(value: object) -> object:
    return value if isinstance(value, Mapping) else {}


def _object_or_none(value: object) -> object:
    return value if isinstance(value, Mapping) else None


def _lines(value: object) -> "tuple[Utterance, ...]":
    """Keep what somebody said; skip tool items, unknown roles and empty lines."""
    items = value if isinstance(value, list) else []
    said = [item for item in items if type(item) is dict]  # not a call for each of 500,000
    return tuple([line for item in said if (line := _line(item)) is not None])


def _line(item: "dict[str, Any]") -> "Utterance | None":
    if item.get("role") not in _ROLES:
        return None
    content = item.get("content")
    if isinstance(content, list):  # content blocks, as some chat APIs write them
        texts = (block.get("text") for block in content if isinstance(block, dict))
        content = " ".join(text for text in texts if isinstance(text, str))
    if not isinstance(content, str) or not content.strip():
        return None
    return Utterance(item["role"], content)


StreamId = Annotated[int | str, BeforeValidator(_stream_id)]
"""Whole number that Millis gives a reply, echoed with its JSON type. 0 and below are valid: never
test it for truth. Compare with `int(stream_id)`."""

Role = Literal["user", "assistant"]
_ROLES = get_args(Role)  # a tuple: what it is compared with may not be hashable
_OptionalId = Annotated[int | str | None, BeforeValidator(_stream_id_or_none)]
_Name = Annotated[str, BeforeValidator(_name)]
_OptionalName = Annotated[str | None, BeforeValidator(_optional_name)]
_Flag = Annotated[bool, BeforeValidator(_flag)]


class Wire(BaseModel):
    """One message or a part of one: frozen, ignores unknown fields."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Utterance(NamedTuple):
    """One line of the conversation, as Millis says it was said.

    A tuple, because a frame may hold 30,000 of them: a model takes 3.6 times as long.
    """

    role: Role
    content: str


# ── Millis → bridge ──────────────────────────────────────────────────────────────────────────────


class Voip(Wire):
    """The phone numbers of a call.

    Millis's guide calls `from` the receiver and `to` the caller; servers that people run take
    `from` as the caller, and so do we, here and nowhere else.
    """

    caller: _OptionalName = Field(default=None, alias="from")
    called: _OptionalName = Field(default=None, alias="to")


class Continuation(Wire):
    """The earlier call that one goes on from."""

    session_id: _Name = ""


class StartCallData(Wire):
    """What Millis knows about a call when it begins."""

    stream_id: _OptionalId = None
    agent_id: _Name = ""
    call_sid: _OptionalName = None
    session_id: _Name = ""
    metadata: Annotated[dict[str, Any], BeforeValidator(_object)] = Field(default_factory=dict)
    include_metadata_in_prompt: _Flag = False
    voip: Annotated[Voip, BeforeValidator(_object)] = Voip()
    session_continuation: Annotated[Continuation | None, BeforeValidator(_object_or_none)] = None

    @property
    def continues(self) -> str:
        """The earlier session to go on from; empty for none. Metadata may name it, too."""
        told = self.session_continuation or Continuation()
        inside = self.metadata.get("session_continuation")
        named = inside.get("session_id") if isinstance(inside, dict) else None
        return told.session_id or _name(named)


class StartCall(Wire):
    """A call has been connected."""

    type: Literal["start_call"]
    data: Annotated[StartCallData, BeforeValidator(_object)] = StartCallData()


class StreamRequestData(NamedTuple):
    """The whole conversation so far, to be answered under `stream_id`."""

    stream_id: StreamId
    transcript: tuple[Utterance, ...] = ()


class StreamRequest(NamedTuple):
    """The caller has finished a sentence and waits for the answer.

    Somebody waits for each of these: it is read by hand, in a quarter of a model's time.
    """

    data: StreamRequestData
    type: Literal["stream_request"] = "stream_request"


class PartialTranscriptData(Wire):
    """What the caller has said so far, before the end of the turn."""

    session_id: _Name = ""
    transcript: Annotated[str, BeforeValidator(lambda v: v if isinstance(v, str) else "")] = ""
    is_final: _Flag = False


class PartialTranscript(Wire):
    """The caller is speaking."""

    type: Literal["partial_transcript"]
    data: Annotated[PartialTranscriptData, BeforeValidator(_object)] = PartialTranscriptData()


class PlaybackFinishedData(Wire):
    """Which reply the caller has heard to its end."""

    session_id: _Name = ""
    stream_id: StreamId


class PlaybackFinished(Wire):
    """The caller has heard all of a reply."""

    type: Literal["playback_finished"]
    data: PlaybackFinishedData


class Interrupt(Wire):
    """The caller spoke over a reply.

    The id stands at top level since July 2024 and stood inside `data` before; without one it means
    the reply that is being spoken.
    """

    type: Literal["interrupt"]
    stream_id: _OptionalId = None

    @model_validator(mode="before")
    @classmethod
    def _lift_stream_id(cls, value: object) -> object:
        if isinstance(value, dict) and "stream_id" not in value:
            data = value.get("data")
            if isinstance(data, dict) and "stream_id" in data:
                return {**value, "stream_id": data["stream_id"]}
        return value


Inbound = StartCall | StreamRequest | PartialTranscript | PlaybackFinished | Interrupt

_Model = StartCall | PartialTranscript | PlaybackFinished | Interrupt
_MODELS: TypeAdapter[_Model] = TypeAdapter(
    Annotated[_Model, Field(discriminator="type")],
    config=ConfigDict(hide_input_in_errors=True),  # keeps speech out of logs
)
_MODEL_TYPES = frozenset(
    get_args(kind.model_fields["type"].annotation)[0] for kind in get_args(_Model)
)


def decode(frame: str) -> Inbound:
    """Read one text frame from Millis.

    Raises:
        ProtocolError: nothing in the frame can be acted on. Its `reason` is one of `not_json`,
            `too_many_items`, `not_an_object`, `unknown_type`, `unusable`.
    """
    if frame.count("{") + frame.count("[") > MAX_CONTAINERS:
        raise ProtocolError("too_many_items")
    frame = frame.replace("\0", "")  # first: one may stand in the middle of an escape
    if _SUSPECT.search(frame):
        frame = _scrubbed(frame)
    try:
        value = orjson.loads(frame)
    except orjson.JSONDecodeError as error:
        raise ProtocolError("not_json") from error
    if not isinstance(value, dict):
        raise ProtocolError("not_an_object")
    kind = value.get("type")
    if kind == "stream_request":
        return StreamRequest(_request_data(value.get("data")))
    if not isinstance(kind, str) or kind not in _MODEL_TYPES:
        raise ProtocolError("unknown_type")
    try:
        return _MODELS.validate_python(value)
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, one["loc"])) for one in error.errors())
        raise ProtocolError("unusable", fields) from error


def _request_data(data: object) -> StreamRequestData:
    if not isinstance(data, dict):
        raise ProtocolError("unusable", "stream_request.data")
    try:
        stream_id = _stream_id(data.get("stream_id"))
    except ValueError as error:
        raise ProtocolError("unusable", "stream_request.data.stream_id") from error
    return StreamRequestData(stream_id, _lines(data.get("transcript")))


def _scrubbed(frame: str) -> str:
    r"""Replace what nobody accepts, after writing `\\` as a code that cannot be mistaken."""
    return _UNFIT.sub(r"\\ufffd", frame.replace("\\\\", r"\u005c"))


# ── bridge → Millis ──────────────────────────────────────────────────────────────────────────────


# Plain classes: one is made for each token, and pydantic's take three times as long.


@dataclass(frozen=True, slots=True)
class StreamResponseData:
    """One piece of a reply."""

    stream_id: StreamId
    content: str = ""
    flush: bool | None = None
    """True: speak now; otherwise Millis waits for a full sentence."""
    pause: int | None = None
    """Milliseconds to wait after this piece."""
    end_of_stream: bool = False


@dataclass(frozen=True, slots=True)
class StreamResponse:
    """Words to speak, or the end of a reply."""

    data: StreamResponseData
    type: Literal["stream_response"] = "stream_response"


@dataclass(frozen=True, slots=True)
class EndCallData:
    """The stream whose end this is."""

    stream_id: StreamId


@dataclass(frozen=True, slots=True)
class EndCall:
    """Hang up."""

    data: EndCallData
    type: Literal["end_call"] = "end_call"


@dataclass(frozen=True, slots=True)
class TransferCallData:
    """Where the call goes."""

    stream_id: StreamId
    destination: str
    """Phone number, as in +1234567890."""


@dataclass(frozen=True, slots=True)
class TransferCall:
    """Hand the caller over to another number."""

    data: TransferCallData
    type: Literal["transfer_call"] = "transfer_call"


Outbound = StreamResponse | EndCall | TransferCall


def encode(message: Outbound) -> bytes:
    """Write one message as the UTF-8 of a text frame; absent optional fields are left out."""
    on_the_wire = wire(message)
    try:
        return orjson.dumps(on_the_wire)
    except TypeError:  # a lone surrogate, from a model or a tool: it is lost, not the turn
        data = on_the_wire["data"]
        clean = {name: _without_surrogates(value) for name, value in data.items()}
        return orjson.dumps({**on_the_wire, "data": clean})


def wire(message: Outbound) -> dict[str, Any]:
    """A message as it reads on the wire."""
    data = message.data
    if type(data) is not StreamResponseData:
        return {"type": message.type, "data": asdict(data)}
    fields: dict[str, Any] = {"stream_id": data.stream_id, "content": data.content}
    if data.flush is not None:
        fields["flush"] = data.flush
    if data.pause is not None:
        fields["pause"] = data.pause
    fields["end_of_stream"] = data.end_of_stream
    return {"type": message.type, "data": fields}


def _without_surrogates(value: object) -> object:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def words(
    stream_id: int | str, content: str, *, flush: bool = False, pause: int | None = None
) -> StreamResponse:
    """One piece of speech."""
    return StreamResponse(StreamResponseData(stream_id, content, flush or None, pause))


def end_of_stream(stream_id: int | str) -> StreamResponse:
    """The last frame of a reply."""
    return StreamResponse(StreamResponseData(stream_id, end_of_stream=True))

"""What an `agent_config` says that concerns Millis's side of a call. Pure.

Documented (Millis's guides, the types of the SDK): the settings of an agent; in a call that names
an agent, too, they are used in place of that agent's. Of `response_delay` the unit is not: people
write 4000, so it is taken for milliseconds.

The rest of an `agent_config` (`prompt`, `tools`, `llm`, `custom_llm_websocket`, …) is for Millis's
own agents: a custom LLM is told nothing of it, here as there, and nothing is dialled.
"""

from typing import Annotated, Any, Final

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

_MAX_TEXT: Final = 1000
_MAX_PHRASES: Final = 200
_MAX_PHRASE: Final = 200
"""Phrases that are listened for, and their characters: more make recognition worse and slow."""


def _or_none(value: object, validate: ValidatorFunctionWrapHandler) -> object:
    """Leave out what is not as it should be, as Millis presumably does."""
    try:
        return validate(value)
    except ValidationError:
        return None


def _object(value: object) -> object:
    return value if isinstance(value, dict) else {}


def _keywords(value: object) -> object:
    """Take a list, or the keys of an object: the SDK's types say no more than `object`."""
    given = list(value) if isinstance(value, dict | list) else []
    return tuple(text[:_MAX_PHRASE] for text in given[:_MAX_PHRASES] if isinstance(text, str))


_Text = Annotated[str | None, Field(max_length=_MAX_TEXT), WrapValidator(_or_none)]
_Flag = Annotated[bool | None, Field(strict=True), WrapValidator(_or_none)]
_Seconds = Annotated[
    float | None, Field(gt=0, le=24 * 3600, allow_inf_nan=False), WrapValidator(_or_none)
]
_Milliseconds = Annotated[float | None, Field(ge=0, le=60_000), WrapValidator(_or_none)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Interruption(_Part):
    """Speaking over the agent."""

    allowed: _Flag = None
    keep_interruption_message: _Flag = None


class VoiceChoice(_Part):
    """How the agent sounds. The local Millis has no provider's voices, but two of its own."""

    provider: _Text = None
    """`espeak`, with a voice of its as `voice_id`; `silence` for none; others' are not there."""
    voice_id: _Text = None


class Flow(_Part):
    """Who speaks when."""

    user_start_first: _Flag = None
    interruption: Annotated[Interruption, BeforeValidator(_object)] = Interruption()
    response_delay: _Milliseconds = None


class SessionTimeout(_Part):
    """When a call is over by itself."""

    max_duration: _Seconds = None
    """Seconds of the call."""


class Vocabulary(_Part):
    """What the caller is likely to say."""

    keywords: Annotated[tuple[str, ...], BeforeValidator(_keywords)] = ()


class AgentConfig(_Part):
    """Millis's settings of an agent, as far as the local Millis has a use for them."""

    first_message: _Text = None
    """What Millis says first; the bridge is not asked for a greeting then."""
    language: _Text = None
    voice: Annotated[VoiceChoice, BeforeValidator(_object)] = VoiceChoice()
    flow: Annotated[Flow, BeforeValidator(_object)] = Flow()
    session_timeout: Annotated[SessionTimeout, BeforeValidator(_object)] = SessionTimeout()
    custom_vocabulary: Annotated[Vocabulary, BeforeValidator(_object)] = Vocabulary()

    @property
    def silent(self) -> bool:
        """Whether the page wants no voice."""
        return self.voice.provider == "silence"

    @property
    def spoken(self) -> str | None:
        """The voice or the language to speak with; None if the page does not say."""
        own = self.voice.voice_id if self.voice.provider == "espeak" else None
        return own or self.language

    @classmethod
    def read(cls, given: dict[str, Any]) -> "AgentConfig":
        """Understand what a page gives; what cannot be used counts as not given."""
        return cls.model_validate(given)

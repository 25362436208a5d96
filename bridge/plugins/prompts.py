"""All prompts that compiled, as one value: the texts a call speaks, and the one the model reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType

import structlog

from bridge.call.events import CallData
from bridge.plugins.failures import PromptFailure
from bridge.plugins.template import PromptTemplate
from bridge.plugins.values import as_data, as_memory, metadata_json, values_of
from bridge.speech import Lexicon

log = structlog.get_logger(__name__)

BUILT_IN: Mapping[str, str] = MappingProxyType(
    {
        "system": "You are a friendly voice assistant on a phone call. Answer in short, spoken "
        "sentences, without lists or symbols. Use your tools rather than guess.",
        "greeting": "Hello, how can I help you?",
        "apology": "I'm sorry, something went wrong on my side. Could you say that again?",
        "reprompt": "Sorry, I didn't catch that. Could you say it again?",
        "fillers": "One moment, please.\nJust a second.\nI'm still on it.",
        "goodbye": "Goodbye!",
        "transfer": "I'll put you through now.",
        "silence": "Are you still there?\nI'll hang up now. Goodbye!",
    }
)
"""Plain texts, without variables: they cannot fail."""


def built_in_templates() -> Mapping[str, PromptTemplate]:
    """Compile the texts for a folder that has no file of that name."""
    return MappingProxyType(
        {name: PromptTemplate(f"{name}.md", text, fallback=text) for name, text in BUILT_IN.items()}
    )


@dataclass(frozen=True, slots=True)
class PromptSet:
    """Every prompt in use; a turn keeps the set that it began with."""

    version: int = 0
    templates: Mapping[str, PromptTemplate] = field(default_factory=built_in_templates)
    """By the file's name without `.md`."""
    failures: tuple[PromptFailure, ...] = ()
    lexicon: Lexicon = field(default_factory=Lexicon)
    """How words are pronounced, from `lexicon.toml`."""

    def system(self, call: CallData, now: datetime, memory: str = "") -> str:
        """What the model is told about its task, this call and the time.

        `memory`: JSON of what was said and done in an earlier call; empty for none.
        """
        text = self.render("system", call, now)
        if call.include_metadata_in_prompt and (data := metadata_json(call)) is not None:
            text = f"{text}\n\n{as_data(data)}"
        if memory:
            text = f"{text}\n\n{as_memory(memory)}"
        return text

    def greeting(self, call: CallData) -> str:
        """The first words of a call; empty for none."""
        return self.render("greeting", call)

    def apology(self, call: CallData) -> str:
        """What to say when a reply failed."""
        return self.render("apology", call)

    def reprompt(self, call: CallData) -> str:
        """What to say when there was nothing to answer, or the answer was empty."""
        return self.render("reprompt", call)

    def lines(self, name: str, call: CallData) -> tuple[str, ...]:
        """The texts of a prompt that has one on each line; a leading `- ` is only for the eye."""
        lines = (line.strip().removeprefix("- ") for line in self.render(name, call).splitlines())
        return tuple(line for line in lines if line)

    def render(self, name: str, call: CallData, now: datetime | None = None) -> str:
        """Render any prompt of the folder; empty if there is none of that name. Never raises."""
        template = self.templates.get(name)
        if template is None:
            log.warning("no such prompt", name=name)
            return ""
        return template.render(values_of(call, now or datetime.now(UTC)))

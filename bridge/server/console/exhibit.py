"""What the console shows, as it needs it from the rest of the house."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Protocol

from pydantic import BaseModel, ConfigDict, Field


class Sample(BaseModel):
    """A call that could be, to render prompts for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    persona: Annotated[str, Field(max_length=64)] = "default"
    metadata: dict[str, Any] = Field(default_factory=dict)
    include_metadata_in_prompt: bool = False


class Examination(BaseModel):
    """What the doctor is to look at."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ask_models: bool = False


class Exhibit(Protocol):
    """The agent as it is now, as plain data without secrets."""

    def agent(self) -> Mapping[str, Any]:
        """Personas, tools, what did not load."""

    async def prompts(self, sample: Sample) -> Sequence[Mapping[str, Any]]:
        """Every prompt of a persona, rendered; empty for a persona that is not there."""

    def settings(self) -> Sequence[Mapping[str, Any]]:
        """Every setting, with what it means; of a secret only whether it is set."""

    async def doctor(self, *, ask_models: bool) -> Sequence[Mapping[str, Any]]:
        """What could be wrong, and the remedy. Asking the models costs a few tokens of each."""

    def versions(self) -> Mapping[str, str]:
        """Of `agent` and of `calls`: another text whenever what is shown of it is another."""

"""What the tables of bridge.toml say: of a tool, of a persona."""

import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from bridge.settings.kinds import Names, Pause, Seconds, Secrets

DEFAULT_PERSONA: Final = "default"
"""Who answers when no persona is named: what the settings outside the tables say."""

_PERSONA = re.compile(r"[a-z0-9_-]{1,32}")

Greeting = Literal["template", "model", "off"]
ThinkAhead = Literal["off", "final", "any"]
Temperature = Annotated[float, Field(ge=0, le=2)]


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
    confirm: str | None = None
    """What the caller is asked before it runs; `{name}` is the argument of that name."""


class PersonaSettings(BaseModel):
    """What `[personas.NAME]` says; what it leaves out is as for everybody."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    agents: Names = ()
    """agent_ids of Millis that it answers for; also at the path /millis/NAME."""
    token: Secrets = ()
    """Secrets of its own: they lead to this persona, and nothing else does."""
    prompts_dir: Path | None = None
    """Its folder of templates, over those of everybody, file by file. Unset: `NAME` in the prompts
    folder, if it is there."""
    allow: Names | None = None
    """The tools it may use, by name. Unset: all."""
    tools: dict[str, ToolSettings] = Field(default_factory=dict)
    """`[personas.NAME.tools.TOOL]`: policies, over `[tools.TOOL]`."""
    model: str | None = None
    fallback_models: Names | None = None
    temperature: Temperature | None = None
    greeting: Greeting | None = None
    filler_after: Pause | None = None
    silence_after: Pause | None = None
    think_ahead: ThinkAhead | None = None
    end_call: bool | None = None

    @property
    def tokens(self) -> tuple[str, ...]:
        """Its secrets in clear, for comparing only."""
        return tuple(secret.get_secret_value() for secret in self.token)

    def overrides(self, tools: dict[str, ToolSettings]) -> dict[str, Any]:
        """The settings that are not as for everybody; `tools` are everybody's policies."""
        own = ("agents", "token", "prompts_dir", "allow", "tools")
        said = {name: getattr(self, name) for name in self.model_fields_set if name not in own}
        policies = dict(tools)
        for name, policy in self.tools.items():
            before = tools.get(name, ToolSettings())
            policies[name] = before.model_copy(update=policy.model_dump(exclude_none=True))
        return {**said, "tools": policies}


def named_apart(personas: dict[str, PersonaSettings]) -> dict[str, PersonaSettings]:
    """Check that every persona has a name for a path, and that no two answer for the same."""
    owners: dict[str, str] = {}
    for name, persona in personas.items():
        if name == DEFAULT_PERSONA or not _PERSONA.fullmatch(name):
            raise PydanticCustomError(
                "persona",
                "{name} is no name for a persona: use 1 to 32 of a-z, 0-9, - and _, "
                "and not default",
                {"name": repr(name)},
            )
        claims = [f"agent {agent!r}" for agent in persona.agents]
        claims += [f"token {token.get_secret_value()}" for token in persona.token]
        for claim in claims:
            if (other := owners.setdefault(claim, name)) != name:
                what = claim if claim.startswith("agent") else "the same token"
                raise PydanticCustomError(
                    "persona",
                    "{first} and {second} both have {what}: which of them is to answer?",
                    {"first": other, "second": name, "what": what},
                )
    return personas

"""All that is fuzzed."""

from tests.fuzz import configuration, events, frames, functions, prompts, scenarios, spoken, spool
from tests.fuzz.target import Target

TARGETS = {
    target.name: target
    for target in (
        frames.TARGET,
        events.EVENTS,
        events.ANSWER,
        prompts.METADATA,
        prompts.TEMPLATE,
        configuration.SETTINGS,
        configuration.VARIABLE,
        configuration.LEXICON,
        functions.TARGET,
        spoken.TARGET,
        scenarios.TARGET,
        spool.TARGET,
    )
}


def named(names: list[str]) -> list[Target]:
    """Those that are meant; all of them for none."""
    return [TARGETS[name] for name in names or TARGETS]

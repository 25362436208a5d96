"""What the agent can look up. Every LangChain tool in a file of this folder is one more."""

from langchain_core.tools import tool

from bridge import ToolError, policy

HOURS = {
    "monday": "nine to six",
    "tuesday": "nine to six",
    "wednesday": "nine to six",
    "thursday": "nine to eight",
    "friday": "nine to six",
    "saturday": "ten to two",
    "sunday": "closed all day",
}


@policy(read_only=True)  # it changes nothing, so it may start early, be stopped, and run in tests
@tool
def opening_hours(day: str) -> str:
    """Look up the opening hours: when we are open or closed on a day of the week."""
    hours = HOURS.get(day.strip().lower())
    if hours is None:  # the model reads this
        raise ToolError(f"{day!r} is not a day of the week. Ask the caller which day they mean.")
    return f"{day.strip().title()}: {hours}"

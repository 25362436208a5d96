from langchain_core.tools import tool

from bridge import ToolError, policy

HOURS = {
    "monday": "9 in the morning to 6 in the evening",
    "tuesday": "9 in the morning to 6 in the evening",
    "wednesday": "9 in the morning to 6 in the evening",
    "thursday": "9 in the morning to 8 in the evening",
    "friday": "9 in the morning to 6 in the evening",
    "saturday": "10 in the morning to 2 in the afternoon",
    "sunday": "closed all day",
}


@policy(read_only=True)
@tool
def opening_hours(day: str = "") -> str:
    """Look up the opening hours: when the shop is open or closed.

    Give a day of the week in English, or nothing for the whole week.
    """
    if not day.strip():
        return "; ".join(f"{name.title()}: {hours}" for name, hours in HOURS.items())
    name = day.strip().lower()
    if name not in HOURS:
        raise ToolError(f"{day!r} is not a day of the week. Ask the caller which day they mean.")
    return f"{name.title()}: {HOURS[name]}"

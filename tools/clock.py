from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from langchain_core.tools import tool

from bridge import ToolError, policy


@policy(read_only=True)
@tool
def current_time(time_zone: str = "UTC") -> str:
    """Tell what time it is now, and today's date, in a city or time zone.

    Give the time zone by its IANA name, such as Europe/Berlin or America/New_York. Find the name
    yourself when the caller says a city.
    """
    try:
        now = datetime.now(ZoneInfo(time_zone))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ToolError(
            f"There is no time zone {time_zone!r}. Try an IANA name such as Europe/Berlin, or ask "
            "the caller which city they mean."
        ) from None
    return f"It is {now:%H:%M} on {now:%A}, {now.day} {now:%B %Y} in {time_zone}."

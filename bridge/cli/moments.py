"""Points in time as they are typed: `2026-11-21`, `2026-11-21 09:00`, `yesterday`, `2h`."""

import re
from datetime import date, datetime, time, timedelta
from typing import Final

HELP: Final = "a date, a date and time, today, yesterday, or how long ago: 30m, 2h, 7d"

_AGO: Final = re.compile(r"(\d{1,9}) ?([smhdw])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DAYS_AGO: Final = {"today": 0, "yesterday": 1}


def moment(text: str, now: datetime) -> datetime:
    """Read a point in time, in the time zone of this machine unless it names another.

    Raises:
        ValueError: it is none.
    """
    wanted = text.strip().lower()
    try:
        if wanted in _DAYS_AGO:
            return _midnight(now.astimezone().date() - timedelta(days=_DAYS_AGO[wanted]))
        if found := _AGO.fullmatch(wanted):
            return now - timedelta(**{_UNITS[found[2]]: int(found[1])})
        return datetime.fromisoformat(text.strip()).astimezone()
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{text!r} is no point in time: {HELP}") from None


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time()).astimezone()

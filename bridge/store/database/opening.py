"""From the URL in the settings to a kind of database."""

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from bridge.errors import SettingsError
from bridge.store.database.dialect import Dialect


def dialect_of(url: str) -> Dialect:
    """Find out what kind of database a URL means. Connects to nothing.

    Raises:
        SettingsError: none that the record can use, or its driver is missing.
    """
    parsed = _parsed(url)
    match parsed.get_backend_name():
        case "sqlite":
            from bridge.store.database.sqlite import SQLite  # noqa: PLC0415 - only the driver that is used

            return SQLite(parsed, shown(url))
        case "postgresql":
            try:
                from bridge.store.database.postgresql import PostgreSQL  # noqa: PLC0415 - as above
            except ModuleNotFoundError as missing:
                raise SettingsError(
                    f"PostgreSQL needs {missing.name}: pip install 'millis-bridge[postgres]'"
                ) from missing
            return PostgreSQL(parsed, shown(url))
        case _:
            raise SettingsError("BRIDGE_DATABASE_URL: write sqlite:///FILE or postgresql://…")


def shown(url: str) -> str:
    """Where the database is, fit for a log: without password and options."""
    try:
        parsed = _parsed(url)
    except SettingsError:
        return "unknown"
    if parsed.get_backend_name() == "sqlite":
        return parsed.database or "memory"
    plain = parsed.set(drivername=parsed.get_backend_name(), query={})
    return plain._replace(password=None).render_as_string()


def _parsed(url: str) -> URL:
    try:
        return make_url(url)
    except (ArgumentError, ValueError):  # their text may hold the password
        raise SettingsError(
            "BRIDGE_DATABASE_URL cannot be read: percent-encode : / @ and % in the password"
        ) from None

"""What keeps calls and tells of them, as the settings have it; imported only where it is wanted."""

from typing import TYPE_CHECKING

from bridge.call.earlier import Earlier, NoEarlier
from bridge.settings import Settings

if TYPE_CHECKING:
    from bridge.server.webhook import Webhook
    from bridge.store import Recorder
    from bridge.store.deliveries.deliveries import Deliveries


def recorder_of(settings: Settings) -> "Recorder | None":
    """Who keeps calls; None if nobody does."""
    if settings.record == "off":
        return None
    from bridge.store import Recorder, RecordSetup  # noqa: PLC0415 - SQLAlchemy takes 0.4 s

    return Recorder(
        RecordSetup(
            url=settings.database_url.get_secret_value(),
            level=settings.record,
            spool_dir=settings.spool_dir,
            spool_limit=settings.spool_limit_mb << 20,
            retention_days=settings.retention_days,
        )
    )


def deliveries_of(settings: Settings) -> "Deliveries":
    """What is still to be done about calls."""
    from bridge.store.deliveries.deliveries import Deliveries  # noqa: PLC0415 - as above

    return Deliveries(settings.spool_dir / "deliveries")


def webhook_of(
    settings: Settings, recorder: "Recorder | None", deliveries: "Deliveries | None"
) -> "Webhook | None":
    """Who tells others of calls that have ended; None without an address or a record."""
    url, secret = settings.webhook_url, settings.webhook_secret
    if recorder is None or deliveries is None or url is None or secret is None:
        return None
    from bridge.server.webhook import Webhook  # noqa: PLC0415 - as above

    webhook = Webhook(
        url.get_secret_value(), secret.get_secret_value(), lambda: recorder.archive, deliveries
    )
    recorder.on_ended = webhook.ended
    return webhook


def earlier_of(settings: Settings, recorder: "Recorder | None") -> Earlier:
    """Who finds the calls that others go on from."""
    if recorder is None:
        return NoEarlier()
    from bridge.store.reading.earlier import EarlierCalls, Rules  # noqa: PLC0415 - as above

    rules = Rules(
        continuation=settings.continuation,
        remember_callers=settings.remember_callers,
        resume_window=settings.resume_window,
    )
    return EarlierCalls(recorder, rules)

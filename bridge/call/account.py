"""What a conversation tells of itself: to its record, to whoever watches it, and to the log."""

import structlog

from bridge.call.events import CallData, CallEnded, CallEvent, Observer, Record, TurnEnded
from bridge.call.ports import Line
from bridge.call.spans import Span
from bridge.protocol import Inbound, Outbound

_log = structlog.get_logger(__name__)


class Account:
    """What one conversation tells of itself. A socket that changes its session begins another."""

    def __init__(self, record: Record, observe: Observer, span: Span, data: CallData) -> None:
        self.data = data
        self.span = span
        self._record = record
        self._observe = observe

    def tell(self, event: CallEvent) -> None:
        """Something has happened."""
        if isinstance(event, TurnEnded):
            _log.info(
                "turn ended",
                session=self.data.session_id,
                turn=event.turn,
                stream_id=event.stream_id,
                outcome=event.outcome,
                failure=event.failure,
                chars=len(event.said),
                first_word_ms=event.first_word and round(event.first_word * 1000, 1),
            )
        self._record.note(self.data, event)
        self._observe(self.data, event)
        if isinstance(event, CallEnded):
            self.span.end(self.data, event)

    def secure(self, event: TurnEnded) -> None:
        """A turn is about to end like this: have it on record when this returns."""
        self._record.secure(self.data, event)

    def heard(self, message: Inbound) -> None:
        """Millis has sent a message."""
        self._record.heard(self.data, message)

    def sent(self, message: Outbound) -> None:
        """A message goes to Millis now."""
        self._record.sent(self.data, message)


class ToldLine:
    """A line whose messages are told to the account of the conversation on it (ports.Line)."""

    def __init__(self, line: Line, account: Account) -> None:
        self._line = line
        self.account = account

    def cut(self) -> None:
        """Close it at once."""
        self._line.cut()

    @property
    def ready(self) -> bool:
        """Whether a message can be `put`."""
        return self._line.ready

    def put(self, message: Outbound) -> None:
        """Put one message on the wire, now."""
        self.account.sent(message)
        self._line.put(message)

    async def send(self, message: Outbound) -> None:
        """Put one message on the wire: in order, and before this first waits."""
        self.account.sent(message)
        await self._line.send(message)

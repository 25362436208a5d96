"""The frames of one connection, read some at a time: a call of hours has a hundred megabytes."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import structlog
from sqlalchemy import select

from bridge.store.database.tables import frames
from bridge.store.notes.frames import unpack
from bridge.store.shapes import Frame

if TYPE_CHECKING:
    from bridge.store.reading.archive import Archive

_log = structlog.get_logger(__name__)

_ROWS: Final = 20
"""Of the table, at a time; a row is a turn, about."""


class Wire:
    """Reads the frames of a connection from the first to the last."""

    def __init__(self, archive: "Archive", call_id: str) -> None:
        self._database = archive._database  # noqa: SLF001 - this is a part of the archive
        self._call_id = call_id
        self._seq = -1
        self._lines: list[Any] = []  # of the transcript so far

    async def more(self) -> Iterator[Frame] | None:
        """The frames that follow, each made when it is asked for; None after the last.

        Raises:
            DatabaseAway: the database is not well. It may be asked again.
        """
        query = select(frames.c.seq, frames.c.data).where(
            frames.c.call_id == self._call_id, frames.c.seq > self._seq
        )
        async with self._database.reading() as connection:
            rows = (await connection.execute(query.order_by(frames.c.seq).limit(_ROWS))).all()
        if not rows:
            return None
        self._seq = rows[-1].seq
        return self._frames(rows)

    def _frames(self, rows: Sequence[Any]) -> Iterator[Frame]:
        for row in rows:
            try:
                found = unpack(row.data)
            except ValueError:  # the rest of the call can be read
                _log.warning("frames cannot be read", call=self._call_id, seq=row.seq)
                continue
            yield from map(self._whole, found)

    def _whole(self, frame: Frame) -> Frame:
        """As it was on the wire; see `bridge.store.notes.frames.whole`."""
        if frame.message.get("type") != "stream_request":
            return frame
        data = frame.message["data"]
        self._lines = [*self._lines[: data["keep"]], *data["then"]]
        told = {"stream_id": data["stream_id"], "transcript": self._lines}
        return Frame(at_ms=frame.at_ms, way=frame.way, message=frame.message | {"data": told})

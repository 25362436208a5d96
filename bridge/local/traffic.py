"""Which bytes are on their way between two sockets of this process.

The kernel gives no answer: what was sent on a loopback connection may be readable at once, or a
moment later. So both ends count.
"""

import socket
from collections.abc import Callable, Iterator
from typing import Any

Address = tuple[Any, ...]


class Counted(socket.socket):
    """One end of a connection: what it sends and takes in is counted."""

    def __init__(self, plain: socket.socket, gone: "Callable[[Counted], None]") -> None:
        """Take over a connected socket; the other object has none any more."""
        self.local: Address = plain.getsockname()
        self.peer: Address = plain.getpeername()
        self.sent = self.received = 0
        self.sent_end = self.received_end = False
        self._gone = gone
        super().__init__(plain.family, plain.type, plain.proto, fileno=plain.detach())
        self.setblocking(False)

    def send(self, data: Any, *flags: int) -> int:
        """Count what the kernel takes."""
        count = super().send(data, *flags)
        self.sent += count
        return count

    def sendmsg(self, *args: Any) -> int:
        """Count what the kernel takes."""
        count = super().sendmsg(*args)
        self.sent += count
        return count

    def recv(self, *args: int) -> bytes:
        """Count what the kernel gives."""
        data: bytes = self._taking(super().recv, *args)
        self._took(len(data))
        return data

    def recv_into(self, *args: Any) -> int:
        """Count what the kernel gives."""
        count: int = self._taking(super().recv_into, *args)
        self._took(count)
        return count

    def shutdown(self, how: int) -> None:
        """Say that nothing more will come."""
        self.sent_end = True
        super().shutdown(how)

    def close(self) -> None:
        """Say that nothing more will come, and take nothing in."""
        self.sent_end = self.received_end = True
        super().close()
        self._gone(self)

    def _taking(self, take: Callable[..., Any], *args: Any) -> Any:
        try:
            return take(*args)
        except ConnectionError:
            self.received_end = True
            raise

    def _took(self, count: int) -> None:
        self.received += count
        self.received_end = self.received_end or not count


class Traffic:
    """The connections of one event loop, and which of them stay in this process."""

    def __init__(self) -> None:
        self._ends: dict[tuple[Address, Address], Counted] = {}
        self._ports: set[int] = set()

    def listen(self, port: int) -> None:
        """Take note of a port that this process answers."""
        self._ports.add(port)

    def count(self, plain: socket.socket) -> Counted:
        """Take over one end of a connection.

        Raises:
            OSError: it is gone already.
        """
        end = Counted(plain, self._part)
        self._ends[end.local, end.peer] = end
        return end

    @property
    def inside(self) -> set[int]:
        """The descriptors of connections whose other end is, or will be, in this process."""
        ends = self._ends.values()
        return {end.fileno() for end in ends if self._other(end) or self._to_be_accepted(end)}

    def under_way(self, reads: Callable[[int], bool]) -> bool:
        """Whether something was sent that the other end waits for, and does not have yet."""
        return any(True for _ in self._missing(reads))

    def give_up(self, reads: Callable[[int], bool]) -> None:
        """What has not arrived by now is lost."""
        for end, other in self._missing(reads):
            if other is None:
                end.sent = 0
            else:
                other.received, other.received_end = end.sent, end.sent_end

    def _missing(self, reads: Callable[[int], bool]) -> Iterator[tuple[Counted, Counted | None]]:
        for end in self._ends.values():
            other = self._other(end)
            if other is None:
                if end.sent and not end.sent_end and self._to_be_accepted(end):
                    yield end, None
            elif _expects(other, end) and reads(other.fileno()):
                yield end, other

    def _other(self, end: Counted) -> Counted | None:
        return self._ends.get((end.peer, end.local))

    def _to_be_accepted(self, end: Counted) -> bool:
        return end.peer[1] in self._ports and end.local[0] == end.peer[0]

    def _part(self, end: Counted) -> None:
        """Forget a connection of which both ends are closed."""
        other = self._other(end)
        if other is None or other.fileno() < 0:
            self._ends.pop((end.local, end.peer), None)
            self._ends.pop((end.peer, end.local), None)


def _expects(end: Counted, other: Counted) -> bool:
    """Whether the other end has sent what this one has not taken in."""
    return not end.received_end and (other.sent > end.received or other.sent_end)

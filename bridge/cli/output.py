"""What is printed has to go somewhere: the disk may be full, or who reads has had enough."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


@contextmanager
def printed() -> Iterator[None]:
    """See to it that all of the output has been written at the end of the block.

    Raises:
        SystemExit: it cannot be: 2, as 1 has a meaning of each command's; that has been told.
    """
    try:
        try:
            yield
        finally:
            if sys.stdout is not None:  # it may have been closed
                sys.stdout.flush()  # else the interpreter does, and prints how that failed
    except BrokenPipeError:
        _let_go()
        raise SystemExit(1) from None
    except OSError as error:
        if error.errno not in _NO_ROOM or error.filename is not None:
            raise
        _let_go()
        sys.stderr.write(f"bridge: cannot write the output: {error.strerror}\n")
        raise SystemExit(2) from None


def _let_go() -> None:
    """Have what is still held go nowhere."""
    with suppress(OSError), open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a device
        os.dup2(nowhere.fileno(), sys.stdout.fileno())

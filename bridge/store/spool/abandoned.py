"""What a process left behind that died: its notes, and calls that nobody ended."""

from itertools import islice
from pathlib import Path
from typing import Self

from bridge.store.losses import Losses
from bridge.store.spool.folders import Folder, abandoned
from bridge.store.spool.segments import Batch, Segment, Segments


class Abandoned:
    """The spool of a dead process, which we have locked."""

    def __init__(self, folder: Folder, files: Segments) -> None:
        self._folder = folder
        self._files = files
        self._out: Batch | None = None

    @classmethod
    def found(cls, spool_dir: Path, losses: Losses, most: int = 16) -> list[Self]:
        """Take over what dead processes have left: of so many, as each takes a descriptor."""
        taken: list[Self] = []
        for folder in islice(abandoned(spool_dir), most):
            try:
                files = [Segment(path, path.stat().st_size) for path in folder.segments()]
            except OSError:  # next time, then
                folder.release()
            else:
                taken.append(cls(folder, Segments(losses, files)))
        return taken

    @property
    def replica(self) -> str:
        """Whose it was."""
        return self._folder.replica

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        return self._files.size

    def batch(self) -> Batch | None:
        """Notes to be saved next; None if there are no more. The same until they are `done`.

        Raises:
            OSError: the disk will not show them now.
        """
        if self._out is None:
            self._out = self._files.batch()
        return self._out

    def done(self) -> None:
        """The notes of the batch are in the database."""
        batch, self._out = self._out, None
        if batch is not None:
            self._files.done(batch)

    def drop_oldest(self) -> int:
        """Delete the oldest file. How many notes are lost with it; 0 also if there is none."""
        return self._files.drop_oldest(self._out) if self._files.files else 0

    def release(self) -> None:
        """Give it back: it is removed if nothing is left in it."""
        self._folder.release()

    def leave(self) -> None:
        """Give it back as it is: there is still something to be done about it."""
        self._folder.leave()

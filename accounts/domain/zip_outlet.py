"""A buffer between a zip archive and a streamed response: it holds only what was not sent yet."""

import io
from typing import Final

# A zip archive's calendar begins in 1980. Without a time the same files give the same bytes.
NO_TIME: Final = (1980, 1, 1, 0, 0, 0)


class ZipOutlet(io.RawIOBase):
    """A file that an archive is written to, without seeking, until the bytes are taken."""

    def __init__(self) -> None:
        """Create an empty buffer."""
        self._held = bytearray()

    def write(self, data: object) -> int:
        """Hold the bytes, and return how many they are."""
        self._held += memoryview(data)  # type: ignore[arg-type]  # bytes in one form or another
        return len(memoryview(data))  # type: ignore[arg-type]

    def taken(self) -> bytes:
        """Return what was written since the last call, and drop it."""
        held = bytes(self._held)
        self._held.clear()
        return held

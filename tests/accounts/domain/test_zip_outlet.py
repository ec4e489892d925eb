"""The buffer of a streamed archive gives each byte once, in order."""

import io
import zipfile

from accounts.domain.zip_outlet import NO_TIME, ZipOutlet


def test_an_archive_written_through_it_is_whole() -> None:
    outlet, parts = ZipOutlet(), []
    with zipfile.ZipFile(outlet, "w") as archive:
        for name in ("a", "b"):
            archive.writestr(zipfile.ZipInfo(name, NO_TIME), name * 1000)
            parts.append(outlet.taken())
    parts.append(outlet.taken())

    assert outlet.taken() == b""
    assert zipfile.ZipFile(io.BytesIO(b"".join(parts))).read("b") == b"b" * 1000

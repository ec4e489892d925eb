"""Uploads of files: only staff have forms with a file, so elsewhere a request with one is refused.

A file is kept in memory up to a size. What is over is counted and dropped, so that the form can say that it is too
large; no temporary file is written.
"""

from io import BytesIO
from typing import Any, Final

from django.core.exceptions import TooManyFilesSent
from django.core.files.uploadedfile import InMemoryUploadedFile
from django.core.files.uploadhandler import FileUploadHandler

BYTES_MAX: Final = 5 * 1024 * 1024
_STAFF_PATH: Final = "/admin/"


class StaffUploadHandler(FileUploadHandler):
    """The handler that `settings.FILE_UPLOAD_HANDLERS` names."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Begin a file. Raises `TooManyFilesSent`, which is a 400, outside of the staff's pages."""
        super().new_file(*args, **kwargs)
        if self.request is None or not self.request.path.startswith(_STAFF_PATH):
            raise TooManyFilesSent("No form here takes a file.")
        self._kept = BytesIO()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Keep a part of the file, if it is not too large already."""
        if start + len(raw_data) <= BYTES_MAX:
            self._kept.write(raw_data)

    def file_complete(self, file_size: int) -> InMemoryUploadedFile:
        """Return the file, with its whole size."""
        self._kept.seek(0)
        return InMemoryUploadedFile(
            self._kept, self.field_name, self.file_name or "", self.content_type, file_size, self.charset
        )

"""Files are taken on the staff's pages alone, and kept in memory up to a size."""

import pytest
from django.core.exceptions import TooManyFilesSent
from django.test import RequestFactory

from accounts.api.uploads import BYTES_MAX, StaffUploadHandler


def handler(path: str) -> StaffUploadHandler:
    return StaffUploadHandler(RequestFactory().post(path))


def test_a_file_of_staff_is_kept_and_a_larger_one_is_only_counted() -> None:
    taking = handler("/admin/banking/")
    taking.new_file("file", "a.xml", "text/xml", 3, None, {})
    taking.receive_data_chunk(b"abc", 0)
    taking.receive_data_chunk(b"x" * BYTES_MAX, 3)
    done = taking.file_complete(BYTES_MAX + 3)
    assert (done.read(), done.size, done.name) == (b"abc", BYTES_MAX + 3, "a.xml")


def test_a_file_in_another_form_is_refused() -> None:
    with pytest.raises(TooManyFilesSent):
        handler("/t/acme/settings/").new_file("file", "a.xml", "text/xml", 3, None, {})

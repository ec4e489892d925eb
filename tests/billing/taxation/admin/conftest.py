"""The staff of the tests of billing's pages."""

from tests.billing.admin.conftest import as_bo, as_kim

__all__ = ["as_bo", "as_kim"]

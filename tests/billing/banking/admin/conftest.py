"""The same staff as in front of billing's pages."""

from tests.billing.admin.conftest import as_bo, as_kim, as_pat, as_robin

__all__ = ["as_bo", "as_kim", "as_pat", "as_robin"]

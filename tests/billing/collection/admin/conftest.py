"""The staff of the tests of billing's pages."""

from tests.billing.admin.conftest import as_alice, as_bo, as_kim, as_pat, as_robin

__all__ = ["as_alice", "as_bo", "as_kim", "as_pat", "as_robin"]

"""The tables of the proofs app."""

from metering.proofs.models.keys import ProofKey
from metering.proofs.models.trees import DayRoot, LeafBlock

__all__ = ["DayRoot", "LeafBlock", "ProofKey"]

"""Which parts of the ledger are in the lake."""

from metering.lake.models.lake_part import LakeMonth as LakeMonth
from metering.lake.models.lake_part import LakePart as LakePart

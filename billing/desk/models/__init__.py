"""The tables of the desk."""

from billing.desk.models.line_questions import LineQuestion
from billing.desk.models.records import Approval, WriteOff

__all__ = ["Approval", "LineQuestion", "WriteOff"]

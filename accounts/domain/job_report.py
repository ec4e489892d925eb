"""What a job has to say when it is done."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class JobReport:
    """Counts and names for the admin; `needs_attention` turns the job's row amber."""

    summary: Mapping[str, object] = field(default_factory=dict)
    needs_attention: bool = False

"""The arithmetic of quantities: sums lose no digit."""

from decimal import Context, Inexact
from typing import Final

# 20 digits before the point, 30 after it, and room for as many events as there may be.
EXACT: Final = Context(prec=100, traps=[Inexact])

"""The second provider, but one that charges again when it is asked to, as a test's script says."""

from dataclasses import dataclass, field, replace
from typing import Final

from billing.collection.domain.provider import PaymentProvider, ReportedPayment
from tests.billing.collection.second.provider import SecondProvider

NO_FUNDS: Final = ReportedPayment("", 4900, "EUR", None, error="Insufficient funds.", decline_code="insufficient_funds")


@dataclass
class ScriptedProvider(SecondProvider):
    """A provider that repeats what it returned for an attempt of the same name."""

    script: list[ReportedPayment | Exception] = field(default_factory=list)
    attempts: dict[str, ReportedPayment] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def charge_again(self, reference: str, *, attempt: str) -> ReportedPayment:  # noqa: ARG002 - the protocol's
        self.calls.append(attempt)
        if attempt not in self.attempts:
            told = self.script.pop(0) if self.script else NO_FUNDS
            if isinstance(told, Exception):
                raise told
            self.attempts[attempt] = replace(told, reference=f"charge-{len(self.attempts) + 1}")
        return self.attempts[attempt]


PROVIDER: Final[PaymentProvider] = ScriptedProvider()

"""The proofs app's part of a tenant's data export."""

from collections.abc import Iterable
from functools import partial

from accounts.models import Tenant
from accounts.services.privacy_parts import ExportedRows, ExportPiece, PrivacyPart, Rows
from metering.domain.ledger import Ledger
from metering.proofs.selectors.roots import body_of, chain_of
from metering.selectors.ledgers import ledgers


class ProofsPrivacy(PrivacyPart):
    """The part that `settings.PRIVACY_PARTS` names. No person's data is in it: hashes of events, and signatures."""

    def files(self, *, tenant: Tenant) -> Iterable[ExportPiece]:
        """Return the signed days of each half of the ledger. The leaves are computed from the exported events."""
        for ledger in ledgers(tenant_ids=[tenant.pk]):
            half = "live" if ledger.is_live else "test"
            yield ExportedRows(f"signed_days/{half}.ndjson.gz", partial(_signed_days, ledger))


def _signed_days(ledger: Ledger) -> Rows:
    yield [body_of(row) for row in chain_of(ledger)]

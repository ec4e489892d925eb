"""`manage.py post_ledger`: post documents that the ledger of accounts does not have. `migrate` does so too."""

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from billing.services.posting_documents import post_documents


class Command(BaseCommand):
    """Post missing documents to the ledger of accounts."""

    help = "Post invoices, payments, credit notes and write-offs that the ledger of accounts does not have yet."

    def handle(self, *args: Any, **options: Any) -> None:
        """Post the documents and print their number."""
        posted = post_documents(as_of=timezone.now())
        self.stdout.write(f"{posted:,} documents and payments posted")

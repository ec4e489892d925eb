"""Stored files: documents, and attachments of mails."""

from django.db import models


class StoredFile(models.Model):
    """Bytes, stored under their own SHA-256."""

    sha256 = models.CharField(max_length=64, primary_key=True)
    media_type = models.CharField(max_length=100)
    content = models.BinaryField()
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.sha256

"""Files that are kept: documents, and what mails bring."""

from django.db import models


class StoredFile(models.Model):
    """Bytes under the SHA-256 of themselves."""

    sha256 = models.CharField(max_length=64, primary_key=True)
    media_type = models.CharField(max_length=100)
    content = models.BinaryField()
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.sha256

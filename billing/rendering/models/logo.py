"""The pictures at the head of documents."""

from django.db import models


class Logo(models.Model):
    """A seller's logo as PNG, stored under its SHA-256. It never changes, because documents name it."""

    sha256 = models.CharField(max_length=64, primary_key=True)
    content = models.BinaryField()
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.sha256

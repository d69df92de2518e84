"""What the library keeps."""

# mypy: disable-error-code="import-untyped, misc"
# (django has no types)

from __future__ import annotations

from django.db import models


class Book(models.Model):
    slug = models.SlugField(primary_key=True)
    title = models.CharField(max_length=200)
    year = models.PositiveSmallIntegerField(null=True, blank=True)

    def __str__(self) -> str:
        return str(self.title)

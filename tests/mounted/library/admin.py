"""The admin of the library."""

# mypy: disable-error-code="import-untyped, misc, untyped-decorator"
# (django has no types)

from django.contrib import admin

from tests.mounted.library.models import Book


@admin.register(Book)
class BookAdmin(admin.ModelAdmin):
    list_display = ("slug", "title", "year")
    search_fields = ("title",)

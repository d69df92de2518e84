"""The pages of the library beside its admin."""

# mypy: disable-error-code="import-untyped, untyped-decorator"
# (django has no types)

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from django.db import connection, transaction
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.csrf import csrf_exempt

from tests.mounted.library.models import Book


def index(request: Any) -> Any:
    return JsonResponse(
        {
            "script": request.META["SCRIPT_NAME"],
            "path": request.path,
            "path_info": request.path_info,
            "url": request.build_absolute_uri(),
            "query": {name: request.GET.getlist(name) for name in request.GET},
            "user": request.user.get_username(),
        }
    )


def book(request: Any, slug: str) -> Any:
    found = get_object_or_404(Book, slug=slug)
    return JsonResponse({"title": found.title, "year": found.year})


def titles(request: Any) -> Any:
    """A stream that asks the database while it goes out, on the connection of its thread."""

    def lines() -> Iterator[str]:
        with transaction.atomic():
            for found in Book.objects.order_by("slug").iterator(chunk_size=1):
                yield f"{found.slug}: {found.title}\n"
                with connection.cursor() as cursor:
                    cursor.execute("select 1")

    return StreamingHttpResponse(lines(), content_type="text/plain; charset=utf-8")


@csrf_exempt
def upload(request: Any) -> Any:
    file = request.FILES["up"]
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    return JsonResponse(
        {"title": request.POST["title"], "name": file.name, "size": file.size, "digest": digest.hexdigest()}
    )


def fail(request: Any) -> Any:
    raise RuntimeError("only the log may say this")


def empty(request: Any) -> Any:
    return HttpResponse(status=204)

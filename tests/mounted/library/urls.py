"""The URLs of the project."""

# mypy: disable-error-code="import-untyped"
# (django has no types)

from django.contrib import admin
from django.contrib.staticfiles.views import serve
from django.urls import path, re_path

from tests.mounted.library import views

urlpatterns = [
    path("", views.index),
    path("admin/", admin.site.urls),
    path("books/<slug:slug>/", views.book),
    path("titles/", views.titles),
    path("upload/", views.upload),
    path("fail/", views.fail),
    path("empty/", views.empty),
    re_path(r"^static/(?P<path>.*)$", serve, {"insecure": True}),
]

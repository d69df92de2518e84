"""The WSGI application of the project."""

# mypy: disable-error-code="import-untyped"
# (django has no types)

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.mounted.library.settings")

application = get_wsgi_application()

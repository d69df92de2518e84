"""Make the tables of the database that ``LIBRARY_DATABASE`` names, and a superuser for each name given."""

# mypy: disable-error-code="import-untyped"
# (django has no types)

import os
import sys

import django
from django.core.management import call_command

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.mounted.library.settings")

if __name__ == "__main__":
    django.setup()
    call_command("migrate", verbosity=0)
    from django.contrib.auth.models import User

    for name in sys.argv[1:]:
        User.objects.create_superuser(name, f"{name}@example.org", "secret")

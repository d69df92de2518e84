"""A Django project as `django-admin startproject` makes them: one model, the admin, a page and a form of its own.

It knows nothing of this framework. ``LIBRARY_DATABASE`` is the path of its SQLite file, ``LIBRARY_STATIC`` the URL that
its static files are linked by; ``python -m tests.mounted.library`` makes the tables and the users.
"""

"""`duoframe migrate`: moves a Flask application's source to `duoframe.flask`, and its views to `async def`.

Knows source text, which it never runs; must not know requests. `command` is what a shell calls.
"""

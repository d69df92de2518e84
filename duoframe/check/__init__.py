"""``duoframe check``: what an application's routes are made of, where they run, and what will go wrong.

Reads compiled plans and source text, and serves nothing. `origins` says where code stands, `places` where a plan runs,
`known`, `names` and `blocking` what holds an event loop, `servers` what is installed; `report` puts it together,
`text` writes it for a terminal and `command` is what a user calls.
"""

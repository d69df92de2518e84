"""What a developer sees of an exception nobody expected, with ``App(debug=True)``: where it arose, with what values.

Knows who may see it: whoever asks from this very machine, and nobody else. Must not know frames: `tracebacks` tells
what stands in them. There is no script and no console here, and nothing that a page could ask to be run.
"""

from __future__ import annotations

import functools
import ipaddress
import logging
import platform
import re
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from itertools import groupby

from duoframe import errorpages
from duoframe.errorpages import document, escape, page, prefers_page
from duoframe.errors import HTTPException, reason
from duoframe.peek import masked, visible
from duoframe.requests import Request
from duoframe.responses import Response, problem
from duoframe.tracebacks import Call, Fault, Line, as_text, tell

logger = logging.getLogger("duoframe")


def present(request: Request, error: HTTPException, cause: BaseException, plain: Response) -> Response:
    """The answer to an exception nobody expected: a page, or problem details with the lines of its traceback.

    Who may not see it gets what `errorpages.present` gives.
    """
    if not may_see(request):
        return errorpages.present(request, error, plain)
    as_page = prefers_page(request)
    faults = tell(cause, variables=as_page)
    if as_page:
        response = page(_document(request, error.status, faults), plain)
    else:
        members = {
            "exception": {"type": visible(faults[0].kind), "message": visible(faults[0].text)},
            "traceback": [visible(line) for line in as_text(faults)],
        }
        response = problem(HTTPException(error.status, error.detail, error.headers, extensions=members))
    response.headers.vary("Accept")
    response.headers.update(_FIELDS)
    return response


def may_see(request: Request) -> bool:
    """Whether a request comes from this machine, by no proxy, under a name of this machine, from no foreign page."""
    peer = request.client[0] if request.client is not None else ""
    if not _is_loopback(peer):
        if peer:
            _warn()
        return False
    headers = request.headers
    if request.http_version == "1.0" or any(_PROXIED.fullmatch(name) for name in headers):
        return False  # nginx, left to its defaults, speaks HTTP/1.0 and adds no field
    return all(_is_local(name) for name in (request.host, *headers.getlist("origin")))


def _is_local(authority: str) -> bool:
    """Whether a host, or the origin of a page, is this machine whatever a DNS server says (RFC 6761 §6.3)."""
    found = _AUTHORITY.fullmatch(authority)
    if found is None:
        return False
    name = (found["address"] or found["name"]).lower()
    return name == "localhost" or name.endswith(".localhost") or _is_loopback(name)


def _is_loopback(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback


@functools.cache
def _warn() -> None:
    """Say, once in a process, that debug mode serves others."""
    logger.warning("debug=True, and a request came from another machine: debug mode is for one machine alone")


_PROXIED = re.compile(r"forwarded|via|x-forwarded(-.*)?|x-original-.*|x-real-ip|.*(client|connecting)-ip")
_AUTHORITY = re.compile(r"(?:https?://)?(?:\[(?P<address>[0-9A-Fa-f:.]+)\]|(?P<name>[^:/\[\]]*))(?::[0-9]*)?")
_FIELDS = {
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
    "x-content-type-options": "nosniff",
}


# The page


def _document(request: Request, status: int, faults: list[Fault]) -> str:
    newest = faults[0]
    title = f"{newest.kind}: {newest.text}" if newest.text else newest.kind
    lines = "\n".join(as_text(faults))
    running = escape(f"duoframe {_version()}, Python {platform.python_version()}")
    asked = f"{status} {reason(status)}: {request.method} {request.path}"
    body = [
        "<main>",
        f'<p class="asked">{escape(asked)}</p>',
        *_chain(faults, 1),
        *_request(request),
        "<details>\n<summary><h2>Traceback as text</h2></summary>",
        f'<pre class="whole">{escape(lines)}</pre>\n</details>',
        "</main>",
        f"<footer>{running}. Only this machine sees this page, with <code>App(debug=True)</code>.</footer>",
    ]
    return document(title[:200], _STYLE, "\n".join(body))


def _chain(faults: list[Fault], level: int) -> Iterator[str]:
    """An exception, then what led to it."""
    for fault in faults:
        yield f'<section class="fault">\n{_RELATIONS[fault.chained]}'
        heading = f"h{min(level if fault is faults[0] else level + 1, 6)}"
        yield f'<{heading}><span class="kind">{escape(fault.kind)}</span> {_pre(fault.text)}</{heading}>'
        for note in fault.notes:
            yield f"<p>{_pre(note)}</p>"
        yield from _calls(fault.calls)
        for member in fault.members:
            yield '<div class="member">'
            yield from _chain(member, level + 2)
            yield "</div>"
        yield "</section>"


def _pre(text: str) -> str:
    return f'<span class="text">{escape(text)}</span>'


def _calls(calls: list[Call | int]) -> Iterator[str]:
    """The calls of one exception, newest first: open where they are new, those of the framework folded together."""
    opened: set[tuple[str, int]] = set()
    for framework, group in groupby(
        reversed(calls), lambda call: isinstance(call, Call) and call.origin == "framework"
    ):
        found = list(group)
        if framework:
            counted = "1 call" if len(found) == 1 else f"{len(found)} calls"
            yield f'<details class="folded">\n<summary>{counted} of the framework</summary>'
        for call in found:
            if isinstance(call, int):
                yield f"<p>{call} calls are left out.</p>"
                continue
            new = (call.origin == "application" or not opened) and (call.file, call.line) not in opened
            opened.add((call.file, call.line))
            yield _call(call, new)
        if framework:
            yield "</details>"


def _call(call: Call, opened: bool) -> str:
    place = f"{call.file}, line {call.line}"
    summary = f'<code>{escape(call.function)}</code> <span class="place">{escape(place)}</span>'
    parts = [f"<details{' open' if opened else ''}>\n<summary>{summary}</summary>"]
    if call.source:
        parts.append(f'<pre class="source">{"".join(map(_line, call.source))}</pre>')
    if call.variables:
        parts.append(_table("Variables", call.variables))
    return "\n".join([*parts, "</details>"])


def _line(line: Line) -> str:
    text = escape(line.text)
    if line.marked is not None:
        left, right = line.marked
        text = f"{escape(line.text[:left])}<mark>{escape(line.text[left:right])}</mark>{escape(line.text[right:])}"
    kind = "failed" if line.failed else "near"
    return f'<span class="{kind}"><span class="number">{line.number}</span> {text}\n</span>'


def _table(caption: str, rows: Iterable[tuple[str, str]]) -> str:
    cells = "\n".join(
        f'<tr><th scope="row"><code>{escape(name)}</code></th><td><code>{escape(value)}</code></td></tr>'
        for name, value in rows
    )
    return f"<table>\n<caption>{caption}</caption>\n<tbody>\n{cells}\n</tbody>\n</table>"


def _request(request: Request) -> Iterator[str]:
    rows = {
        "method": request.method,
        "path": request.path,
        "query": masked("query", request.query_string.decode("latin-1")),
        "client": request.client[0] if request.client else "",
        "identifier": request.id,
    }
    fields = [(name, masked(name, value)) for name, value in request.headers.multi_items()]
    yield "<section>\n<h2>Request</h2>"
    yield _table("Target and client", [row for row in rows.items() if row[1]])
    yield f"{_table('Header fields', fields)}\n</section>"


@functools.cache  # to look it up takes half a millisecond and leaves cyclic garbage
def _version() -> str:
    try:
        return version("duoframe")
    except PackageNotFoundError:  # run from a folder that nobody installed
        return ""


_RELATIONS = {
    "": "",
    "cause": '<p class="chained">Raised from</p>\n',
    "context": '<p class="chained">Raised while this one was being handled</p>\n',
}

_STYLE = """
main { max-width: 64rem; margin: 0 auto; padding: 1.5rem }
h1, h2, h3, h4, h5, h6 { margin: 0; font-weight: 600; line-height: 1.3 }
h1 { font-size: 1.5rem } h2 { font-size: 1.125rem } h3, h4, h5, h6 { font-size: 1rem }
.kind { display: block; font-size: 1rem; color: var(--accent) }
.fault { border-left: 4px solid var(--accent); padding-left: 1rem; margin-bottom: 2rem }
.asked { margin: 0 0 1.5rem; color: var(--quiet) }
.chained { margin: 0; color: var(--quiet) }
.text { white-space: pre-wrap }
p { margin: .5rem 0 0 }
.member { margin: 1rem 0 0 }
details { margin-top: .75rem }
summary { cursor: pointer }
summary h2 { display: inline }
.folded > summary, .place { color: var(--quiet); font-size: .875rem }
.folded > details { margin-left: 1rem }
pre { margin: .5rem 0; padding: .5rem 0; background: var(--panel); overflow-x: auto; line-height: 1.5; tab-size: 4 }
pre > span { display: block; width: max-content; min-width: 100%; padding: 0 .75rem }
pre.whole { padding: .75rem }
.number { display: inline-block; min-width: 3ch; text-align: right; color: var(--quiet); margin-right: .75rem;
  user-select: none }
.failed { background: var(--mark); font-weight: 600 }
.failed .number { color: inherit }
mark { background: none; color: inherit; text-decoration: underline 2px var(--accent); text-underline-offset: .2em }
table { width: 100%; border-collapse: collapse; margin: .5rem 0 1rem; font-size: .9375rem }
caption { text-align: left; color: var(--quiet); font-size: .875rem }
th, td { border-top: 1px solid var(--line); padding: .25rem .75rem .25rem 0; text-align: left; vertical-align: top }
th { width: 12rem; font-weight: 400 }
td code { white-space: pre-wrap }
footer { max-width: 64rem; margin: 0 auto; padding: 0 1.5rem 2rem; color: var(--quiet); font-size: .875rem }
@media (max-width: 40rem) { main { padding: 1rem } th, td { display: block; width: auto; padding-right: 0 }
  td { border-top: 0; padding-top: 0 } }
"""

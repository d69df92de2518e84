"""duoframe: one application object for WSGI and ASGI servers, with `def` and `async def` handlers on both."""

from duoframe.app import App
from duoframe.body import UploadFile
from duoframe.caching import CacheControl
from duoframe.conditions import ETag
from duoframe.context import request, url_for
from duoframe.contrib.sse import EventSourceResponse, ServerSentEvent
from duoframe.contrib.templating import render_template
from duoframe.errors import ClientDisconnect, ConfigurationError, HTTPException, abort
from duoframe.faults import RequestValidationError
from duoframe.files import FileResponse
from duoframe.limits import Limits
from duoframe.params import Body, Cookie, Depends, File, Form, Header, Path, Query
from duoframe.patterns import Converter
from duoframe.pieces import inline
from duoframe.redirects import RedirectResponse, is_safe_redirect, redirect
from duoframe.requests import Request
from duoframe.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    Response,
    StreamingResponse,
)
from duoframe.router import Router

__all__ = [
    "App",
    "Body",
    "CacheControl",
    "ClientDisconnect",
    "ConfigurationError",
    "Converter",
    "Cookie",
    "Depends",
    "ETag",
    "EventSourceResponse",
    "File",
    "FileResponse",
    "Form",
    "HTMLResponse",
    "HTTPException",
    "Header",
    "JSONResponse",
    "Limits",
    "Path",
    "PlainTextResponse",
    "Query",
    "RedirectResponse",
    "Request",
    "RequestValidationError",
    "Response",
    "Router",
    "ServerSentEvent",
    "StreamingResponse",
    "UploadFile",
    "abort",
    "inline",
    "is_safe_redirect",
    "redirect",
    "render_template",
    "request",
    "url_for",
]

"""The answers of one operation: its handler's, those that were announced, and the framework's own (OpenAPI §4.8.16).

Knows representations, and when a request is refused before its handler runs; must not know how an answer is made.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from duoframe.components import Components
from duoframe.errors import HTTPException, reason
from duoframe.faults import RequestValidationError, fault
from duoframe.plan import ErrorHandlers
from duoframe.responses import problem
from duoframe.router import Route

Response = dict[str, Any]  # Any: JSON


class Outcomes:
    """What one route may answer; ``errors`` are the error handlers around it."""

    def __init__(self, route: Route, errors: ErrorHandlers, components: Components) -> None:
        self._said = route.documented
        self._answer = route.representation
        self._errors = errors
        self._components = components

    def describe(self, refusals: Iterable[int]) -> dict[str, Response]:
        """The Responses Object, in the order of the statuses; ``refusals`` are the framework's own."""
        announced = {str(status): self._announced(str(status), said) for status, said in self._said.responses.items()}
        usual = str(self._answer.status)
        found = {**announced, usual: {**self._usual(), **announced.get(usual, {})}}
        for status in refusals:
            found.setdefault(str(status), self._problem(status))
        return dict(sorted(found.items()))

    def _usual(self) -> Response:
        """What the handler answers."""
        answer = self._answer
        response: Response = {"description": self._said.response_description or reason(answer.status)}
        described = answer.schema()
        content = {} if described is None else {"schema": self._components.take(described, "output")}
        if answer.media_types:
            response["content"] = dict.fromkeys(answer.media_types, content)
        return response

    def _announced(self, status: str, said: Any) -> Response:
        """What the route's ``responses`` say of a status, which for an error is problem details if they do not."""
        response = dict(said) if isinstance(said, Mapping) else {"model": said}
        model = response.pop("model", None)
        if model is not None:
            from duoframe.shapes import shape_of

            schema = self._components.take(shape_of(model).schema("output"), "output")
            response["content"] = {"application/json": {"schema": schema}, **response.get("content", {})}
        if status.isdecimal():
            response.setdefault("description", reason(int(status)))
            if int(status) >= 400:
                response = {**self._problem(int(status)), **response}
        return {"description": "Any other answer", **response}

    def _problem(self, status: int) -> Response:
        """An error as the framework answers it, unless an error handler does."""
        response: Response = {"description": reason(status)}
        error = RequestValidationError([_FAULT]) if status == 422 else HTTPException(status)
        if self._errors.find(error) is None:
            schema = self._components.take(_VALIDATION if status == 422 else _PROBLEM, "output")
            example = json.loads(problem(error).body)
            response["content"] = {"application/problem+json": {"schema": schema, "example": example}}
        if status == 401:
            response["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
        return response


_FAULT = fault(("query", "page"), "int", "'x'")
"""What may be wrong with a request, for instance."""
_PROBLEM_SCHEMA = {
    "type": "object",
    "description": "Problem details (RFC 9457).",
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "instance": {"type": "string", "format": "uri-reference"},
    },
    "required": ["type", "title", "status"],
}
_FAULT_SCHEMA = {
    "type": "object",
    "description": "One value that is not what was asked for.",
    "properties": {
        "loc": {"type": "array", "items": {"type": ["string", "integer"]}},
        "message": {"type": "string"},
        "expected": {"type": "string"},
        "got": {"type": "string"},
    },
    "required": ["loc", "message", "expected", "got"],
}
_VALIDATION_SCHEMA = {
    "description": "Problem details with every fault that was found.",
    "allOf": [{"$ref": "#/components/schemas/Problem"}],
    "type": "object",
    "properties": {"errors": {"type": "array", "items": {"$ref": "#/components/schemas/Fault"}}},
    "required": ["errors"],
}
_PROBLEM = ({"$ref": "#/components/schemas/Problem"}, {"Problem": _PROBLEM_SCHEMA})
_VALIDATION = (
    {"$ref": "#/components/schemas/ValidationProblem"},
    {"Problem": _PROBLEM_SCHEMA, "Fault": _FAULT_SCHEMA, "ValidationProblem": _VALIDATION_SCHEMA},
)

"""What a request body may cost, and the one counter by which every limit is held.

Knows numbers only: `body` and `parts` count against it while a body arrives.
"""

import dataclasses
from typing import Self

from duoframe.errors import ConfigurationError, HTTPException


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """What a request body may cost: ``Limits(max_body_size=100 * 2**20)``. Past a limit the answer is 413.

    The same numbers hold for urlencoded and multipart forms; sizes count bytes as they were sent. Raises
    `ConfigurationError` for a value that is no whole number or is negative.
    """

    max_body_size: int | None = 16 * 1024 * 1024
    """Bytes of the whole body; ``None`` for no limit."""
    max_fields: int = 1000
    """Fields of one form."""
    max_field_size: int = 512 * 1024
    """Bytes of one field's value."""
    max_form_memory: int = 16 * 1024 * 1024
    """Bytes of one form that have to stay in memory: names, values and part headers, but no file."""
    max_files: int = 1000
    """Files of one form; an upload box that was left empty counts."""
    max_file_size: int | None = None
    """Bytes of one file; ``None`` for no limit but that of the body."""
    max_part_headers: int = 8
    """Header lines of one part."""
    max_part_header_size: int = 4096
    """Bytes of one header line of a part."""
    spool_size: int = 1024 * 1024
    """Bytes of a body, or of all the files of a form, that are kept in memory; more go to a temporary file."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            optional = field.name in ("max_body_size", "max_file_size")
            if not (value is None and optional) and (type(value) is not int or value < 0):
                expected = "a whole number, 0 or more" + (", or None" if optional else "")
                raise ConfigurationError(f"Limits({field.name}=...): expected {expected}, got {value!r}")

    def replace(self, **changes: int | None) -> Self:
        """A copy with other values: ``limits.replace(max_files=1)``."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]  # __post_init__ looks at the types


class Counter:
    """Counts what arrives against `Limits`, by the name of the limit."""

    __slots__ = ("_counts", "limits")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._counts: dict[str, int] = {}

    def count(self, limit: str, amount: int = 1) -> None:
        """Add ``amount``. Raises `HTTPException` 413 past the limit."""
        total = self._counts[limit] = self._counts.get(limit, 0) + amount
        maximum = getattr(self.limits, limit)
        if maximum is not None and total > maximum:
            raise HTTPException(413, f"expected at most {maximum} {_COUNTED[limit]}")

    def restart(self, limit: str) -> None:
        """Count from nothing again: another field or file begins."""
        self._counts[limit] = 0


_COUNTED = {
    "max_body_size": "bytes of body",
    "max_fields": "form fields",
    "max_field_size": "bytes in one form field",
    "max_form_memory": "bytes of form fields and part headers",
    "max_files": "files",
    "max_file_size": "bytes in one file",
}

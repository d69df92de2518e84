"""What is known so far of one answer.

Filled in by `asgi` or `wsgi` as the app goes on; `wire` and `client` read it. Knows neither protocol.
"""

from dataclasses import dataclass, field

from duoframe.testing.rules import Field


class ClientLeftError(OSError):
    """What an app meets that goes on sending after the client has left (ASGI spec 2.4)."""


@dataclass
class Outcome:
    """The head of an answer and how it went; until the app has started one, the 500 a server would send."""

    status: int = 500
    reason: str = "Internal Server Error"
    headers: list[Field] = field(default_factory=list)
    started: bool = False
    """The head is on the wire and cannot change any more."""
    complete: bool = False
    """The last byte has been taken by the client."""
    cancelled: bool = False
    """The app had not returned when its grace was over."""
    error: BaseException | None = None
    """What the app raised, or the rule it broke."""
    failure: Exception | None = None
    """What the caller's own request body raised: never the app's fault."""

    @property
    def aborted(self) -> bool:
        """Whether the answer broke off after its start."""
        return self.started and not self.complete and self.error is not None

    def fail(self, error: BaseException) -> None:
        """Note what the app raised, unless it had failed before; a head that is not on the wire yet is forgotten."""
        if self.error is None:
            self.error = error
        if not self.started:
            self.status, self.reason, self.headers = 500, "Internal Server Error", []

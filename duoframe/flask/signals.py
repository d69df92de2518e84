"""Flask's signals: what an application tells of itself while it works.

Where blinker is installed they are blinker's; otherwise nobody can be told, and telling costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from duoframe.errors import ConfigurationError

if TYPE_CHECKING:
    from blinker import NamedSignal


class SilentSignal:
    """Stands for a signal where blinker is not installed: it has no receivers, and takes none."""

    receivers: dict[Any, Any] = {}  # noqa: RUF012  # it stays empty

    def __init__(self, name: str) -> None:
        self.name = name

    def send(self, *sender: Any, **values: Any) -> list[Any]:
        """Tell nobody."""
        return []

    def has_receivers_for(self, sender: Any) -> bool:
        """That there are none."""
        return False

    def connect(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise `ConfigurationError`."""
        raise ConfigurationError(f"the signal {self.name!r} needs blinker: pip install blinker")

    connect_via = connected_to = temporarily_connected_to = connect


def _signal(name: str) -> NamedSignal:
    if _namespace is None:
        return SilentSignal(name)  # type: ignore[return-value]  # as far as anybody can tell
    return _namespace.signal(name)


try:
    from blinker import Namespace

    _namespace: Namespace | None = Namespace()
except ImportError:
    _namespace = None

template_rendered = _signal("template-rendered")
before_render_template = _signal("before-render-template")
request_started = _signal("request-started")
request_finished = _signal("request-finished")
request_tearing_down = _signal("request-tearing-down")
got_request_exception = _signal("got-request-exception")
appcontext_tearing_down = _signal("appcontext-tearing-down")
appcontext_pushed = _signal("appcontext-pushed")
appcontext_popped = _signal("appcontext-popped")
message_flashed = _signal("message-flashed")

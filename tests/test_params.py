"""What a signature may say of its parameters, and how it shows in messages."""

import pytest

from duoframe import Body, ConfigurationError, Cookie, Depends, File, Form, Header, Path, Query
from duoframe.params import REQUIRED, Dependency, Parameter, SecurityScopes


@pytest.mark.parametrize("kind", [Path, Query, Header, Cookie, Body, Form, File])
def test_a_marker_keeps_its_source_its_default_and_what_is_said(kind: type) -> None:
    marker = kind(1, description="number")
    assert isinstance(marker, Parameter)
    assert (marker.source, marker.default, marker.options) == (kind.__name__.lower(), 1, {"description": "number"})
    assert repr(marker) == f"{kind.__name__}(description='number')"


def test_a_marker_without_a_default_is_required() -> None:
    assert Query().default is REQUIRED
    assert Query(...).default is REQUIRED
    assert repr(REQUIRED) == "REQUIRED"


def test_what_nobody_knows_of_a_parameter_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Query\(\) takes no maximum"):
        Query(maximum=3)  # type: ignore[call-arg]  # the mistake


def test_depends_takes_a_function_and_a_moment() -> None:
    marker = Depends(len)
    assert isinstance(marker, Dependency)
    assert (marker.call, marker.use_cache, marker.close, marker.scopes) == (len, True, "after_response", ())
    with pytest.raises(ConfigurationError, match="expected a function or a class, got 3"):
        Depends(3)  # type: ignore[arg-type]  # the mistake
    with pytest.raises(ConfigurationError, match="expected 'after_response' or 'before_response', got 'later'"):
        Depends(len, close="later")  # type: ignore[arg-type]  # the mistake


def test_scopes_are_written_with_spaces_between() -> None:
    """RFC 6749 §3.3."""
    assert str(SecurityScopes(("read", "write"))) == "read write"

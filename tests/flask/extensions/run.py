"""Tries extensions on `duoframe.flask`, or on Flask itself: ``python run.py duoframe with_login with_wtf``.

Prints JSON: for each module, behind each door, the words of each function whose name begins with ``try_``, and what it
raised, or null.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType


def main(framework: str, names: list[str]) -> None:
    if framework == "duoframe":
        from duoframe.flask.standing_in import install_as_flask

        install_as_flask()
    outcomes = {}
    for name in names:
        module = load(name)
        outcomes[name] = {door: outcomes_of(module, door) for door in ("wsgi", "asgi")}
    sys.stdout.write(json.dumps(outcomes))


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def outcomes_of(module: ModuleType, door: str) -> dict[str, str | None]:
    os.environ["DUOFRAME_DOOR"] = door
    found: dict[str, str | None] = {}
    for function in [value for key, value in vars(module).items() if key.startswith("try_")]:
        try:
            function()
        except Exception:
            found[function.__doc__] = traceback.format_exc()
        else:
            found[function.__doc__] = None
    return found


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])

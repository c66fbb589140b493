"""`import respell`: what it offers, and what it costs."""

from __future__ import annotations

import subprocess
import sys

import respell


def test_every_public_name_is_there_and_documented() -> None:
    for name in respell.__all__:
        value = getattr(respell, name)
        assert name == "__version__" or value.__doc__, f"{name} has no docstring"


def test_importing_respell_imports_none_of_its_machinery() -> None:
    code = "import respell, sys; print([m for m in sys.modules if m.split('.')[0] in HEAVY])"
    heavy = {"apsw", "lupa", "httpx", "jsonschema", "lz4", "msgpack", "textual", "rich"}
    done = subprocess.run(
        [sys.executable, "-c", f"HEAVY = {heavy}; {code}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "[]"


def test_the_core_never_imports_the_user_interface() -> None:
    code = (
        "import respell, sys\n"
        "for name in respell.__all__: getattr(respell, name)\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('textual', 'rich', 'respell_tui')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

"""What docs/agents.md and the example show is what happens."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import respell
from respell.agents import asking
from respell.engine.effects import agents
from respell.store import Store

REPOSITORY = Path(__file__).parents[2]
DOCS = (REPOSITORY / "docs" / "agents.md").read_text()
SHOWN = re.findall(r"^```lua\n(.*?)^```\n\n```text\n(.*?)^```", DOCS, flags=re.M | re.S)


def test_every_lua_example_shows_its_output() -> None:
    assert len(SHOWN) == len(re.findall(r"^```lua$", DOCS, flags=re.M)) == 8


@pytest.mark.parametrize(("text", "output"), SHOWN)
def test_an_example_of_the_docs_prints_what_is_shown(
    script: Any, store: Store, text: str, output: str
) -> None:
    done = script(text)
    assert done.session.status == "completed", done.session.error
    assert "".join(f"{line}\n" for line in script.lines) == output
    assert respell.replay(done.session, store=store).identical


def test_the_provider_of_the_docs_works(tmp_path: Path) -> None:
    (program,) = re.findall(r"^```python\n(.*?)^```", DOCS, flags=re.M | re.S)
    (lua,) = re.findall(r"^```lua shout\n(.*?)^```", DOCS, flags=re.M | re.S)
    (tmp_path / "shout.lua").write_text(lua)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], cwd=tmp_path, env={**os.environ},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "HELLO\n4\n"


def test_the_docs_name_every_option_and_the_real_bounds() -> None:
    for name in agents._OPTIONS:
        assert f"`{name}`" in DOCS
    for model in ("echo", "scripted", "seeded"):
        assert f"| `mock/{model}` |" in DOCS
    assert f"above {asking.MAX_ANSWER_BYTES >> 20} MiB" in " ".join(DOCS.split())
    assert f"more than {asking.MAX_TOOL_CALLS} tool" in " ".join(DOCS.split())
    assert agents.DEFAULT_TOOL_ROUNDS == 10

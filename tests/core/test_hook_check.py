"""Hooks that are called again at a replay, with what they were told, and compared."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import respell
from respell.hooks import POINTS, HookContext, HookRegistry, Modified
from respell.store import Store
from stories import respell as command

CALL = 'State.set("n", 2) print(State.get("n"))'
PAGE = Path(__file__).parents[2] / "docs" / "python-api.md"


def doubling(factor: int = 2, *, name: str = "double", replayable: bool = True) -> HookRegistry:
    hooks = HookRegistry()

    def double(context: HookContext) -> Modified:
        return Modified({**context.data, "value": context.data["value"] * factor})

    hooks.register("BeforeStateWrite", double, name=name, replayable=replayable)
    return hooks


def test_a_hook_that_decides_the_same_is_no_difference(script: Any, store: Store) -> None:
    result = script(CALL, hooks=doubling())
    again = respell.replay(result.session, store=store, check_hooks=True, hooks=doubling())
    assert (again.identical, again.hooks_checked, again.hook_differences) == (True, 1, ())
    assert respell.session(result.session, store=store).state["n"] == 4, "it is done nowhere again"


def test_a_hook_that_was_changed_is_reported(script: Any, store: Store) -> None:
    result = script(CALL, hooks=doubling())
    again = respell.replay(result.session, store=store, check_hooks=True, hooks=doubling(3))
    (one,) = again.hook_differences
    assert (one.hook, one.point, one.event) == ("double", "BeforeStateWrite", 3)
    assert (one.expected["data"]["value"], (one.found or {})["data"]["value"]) == (4, 6)
    assert again.identical, "the script itself does what it did"


def test_a_hook_that_is_gone_or_fails_is_reported(script: Any, store: Store) -> None:
    result = script(CALL, hooks=doubling())
    gone = respell.replay(result.session, store=store, check_hooks=True, hooks=HookRegistry())
    assert [it.found for it in gone.hook_differences] == [None]
    failing = HookRegistry()
    failing.register("BeforeStateWrite", lambda c: c.data["nothing"], name="double")
    failed = respell.replay(result.session, store=store, check_hooks=True, hooks=failing)
    assert [it.found for it in failed.hook_differences] == [{"error": "KeyError: 'nothing'"}]


def test_hooks_that_are_not_replayable_are_left_alone(script: Any, store: Store) -> None:
    result = script(CALL, hooks=doubling(replayable=False))
    again = respell.replay(result.session, store=store, check_hooks=True, hooks=doubling(3))
    assert (again.hooks_checked, again.hook_differences) == (0, ())


PLUGIN = """
import respell

@respell.hook("AfterStateRead", replayable=True)
def shown(context):
    return {"type": "modified", "data": FACTOR * context.data}
"""


def test_the_command_line_compares_the_hooks_of_installed_packages(
    store: Store, tmp_path: Path
) -> None:
    folder = tmp_path / "installed"
    info = folder / "shower-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "shower.py").write_text(PLUGIN.replace("FACTOR", "10"))
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shower\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[respell.hooks]\nshown = shower\n")
    (tmp_path / "main.lua").write_text(CALL)
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    where = {"store": Path(store.path), "cwd": tmp_path}
    ran = command("run", "main.lua", **where, PYTHONPATH=path)  # type: ignore[arg-type]
    assert ran.stdout == "20\n", ran.stderr
    same = command("replay", "@last", "--hooks", **where, PYTHONPATH=path)  # type: ignore[arg-type]
    assert same.returncode == 0, same.stderr
    assert "1 call of replayable hooks compared" in same.stdout
    (folder / "shower.py").write_text(PLUGIN.replace("FACTOR", "(5 * 2 + 1)"))
    other = command("replay", "@last", "--hooks", "--json", **where, PYTHONPATH=path)  # type: ignore[arg-type]
    assert other.returncode == 4
    shown = json.loads(other.stdout)
    assert (shown["identical"], shown["hooks_checked"]) == (True, 1)
    assert [(it["expected"]["data"], it["found"]["data"]) for it in shown["hook_differences"]] == [
        (20, 22)
    ]
    told = command("replay", "@last", "--hooks", **where, PYTHONPATH=path)  # type: ignore[arg-type]
    assert "different" in told.stdout
    assert "shown at AfterStateRead" in told.stdout


def test_the_page_has_every_point_and_every_name_of_it() -> None:
    text = PAGE.read_text()
    for point in POINTS.values():
        row = re.search(rf"^\| `{re.escape(point.name)}`(.*)$", text, flags=re.MULTILINE)
        if not point.in_python:
            assert row is None, point.name
            continue
        assert row is not None, point.name
        assert all(f"`{name}`" in row[0] for name in point.names()), point.name
        assert f"| {point.when} | {point.fired_by} |" in row[0]

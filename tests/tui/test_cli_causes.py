"""`respell events ID --causes N`: why did that happen?"""

from __future__ import annotations

import json
from pathlib import Path

from stories import event_lines, respell, session_json, write_script

SCRIPT = """
Tool.register("outer", { description = "Outer" }, function()
  return Tool.invoke("hash_calculator", { operation = "hash", input = "a" }).result.hash
end)
Tool.invoke("outer", {})
"""


def test_the_chain_ends_at_a_line_of_the_script(tmp_path: Path) -> None:
    store = tmp_path / "store"
    ran = respell("run", write_script(tmp_path, SCRIPT), store=store)
    assert ran.returncode == 0, ran.stderr
    inner = next(it for it in event_lines(store, "@last") if it["args"].get("name") ==
                 "hash_calculator")  # fmt: skip
    shown = respell("events", "@last", "--causes", str(inner["number"]), store=store)
    assert shown.returncode == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert [line.split()[2] for line in lines] == ["tool.invoke", "tool.invoke"]
    assert lines[-1].endswith("main.lua:5")
    asked = respell("events", "@last", "--causes", str(inner["number"]), "--json", store=store)
    first, last = map(json.loads, asked.stdout.splitlines())
    assert first == inner
    assert (first["caused_by"], last["caused_by"]) == (last["number"], None)
    assert first["correlation_id"] == session_json(store, "@last")["id"]


def test_what_does_not_go_with_it_is_said(tmp_path: Path) -> None:
    store = tmp_path / "store"
    respell("run", write_script(tmp_path, "print(1)"), store=store)
    both = respell("events", "@last", "--causes", "1", "--failed", store=store)
    assert (both.returncode, both.stdout) == (2, "")
    assert "--failed does not go with it" in both.stderr
    missing = respell("events", "@last", "--causes", "99", store=store)
    assert missing.returncode == 2
    assert "has no event 99" in missing.stderr

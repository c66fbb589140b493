"""Killed at any moment, a session is resumed to the end as if nothing had happened."""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from respell.artifacts.collector import TAG
from stories import (
    CountingServer,
    begin,
    counting_server,
    kill_group,
    respell,
    session_json,
    write_log,
    write_script,
)

SCRIPT = """
local url, path, every = args[1], args[2], tonumber(args[3])
local levels, lines, asked = {}, 0, 0
for line in io.lines(path) do
  lines = lines + 1
  local level = line:match("^%S+ (%u+)")
  levels[level] = (levels[level] or 0) + 1
  if lines % every == 0 then
    asked = asked + 1
    local answer = Tool.invoke("http_request", {input = url .. "/double/" .. asked})
    print(asked, answer.result.body.double, lines)
    State.set("asked", asked)
    Artifact.store(nil, "progress.json", {asked = asked, lines = lines, levels = levels})
  end
end
for level, count in pairs(levels) do print(level, count) end
Artifact.store(nil, "report.txt", "lines: " .. lines .. "\\nasked: " .. asked)
print("done", lines, asked)
"""


@dataclass
class Story:
    """One session that is killed again and again."""

    folder: Path
    server: CountingServer
    megabytes: float
    every: int
    kills: int = 0
    settled: list[int] = field(default_factory=list)
    given: set[int] = field(default_factory=set)  # by hand, so no tool returned them

    @property
    def log(self) -> Path:
        return self.folder / "big.log"

    def arguments(self) -> list[str]:
        return ["--", self.server.url, str(self.log), str(self.every)]

    def run_undisturbed(self) -> dict[str, Any]:
        write_log(self.log, self.megabytes)
        store = self.folder / "calm"
        script = write_script(self.folder, SCRIPT)
        done = respell("run", script, *self.arguments(), store=store, timeout=600)
        assert done.returncode == 0, done.stderr
        return self.result(store)

    def result(self, store: Path) -> dict[str, Any]:
        output = respell("show", "@last", "--output", store=store)
        artifacts = [
            (one["name"], one["version"], one["content_hash"])
            for one in self.artifacts(store)
            if TAG not in one["tags"]
        ]
        return {"output": output.stdout, "artifacts": sorted(artifacts)}

    def artifacts(self, store: Path) -> list[dict[str, Any]]:
        listed = respell("artifacts", "list", "@last", "--json", store=store)
        return json.loads(listed.stdout)  # type: ignore[no-any-return]

    def collected(self, store: Path) -> int:
        """How many answers of the server became artifacts by themselves."""
        return sum(TAG in one["tags"] for one in self.artifacts(store))

    def run_and_kill(self, kills: int, longest_s: float, seed: int) -> Path:
        """Start it, and kill its process group at random times, until it has ended."""
        store = self.folder / f"killed-{seed}"
        dice = random.Random(seed)
        command = ["run", str(self.folder / "main.lua"), *self.arguments()]
        while True:
            process = begin(*command, store=store)
            if self.kills < kills:
                deadline = time.monotonic() + dice.uniform(0.0, longest_s)
                while process.poll() is None and time.monotonic() < deadline:
                    time.sleep(0.002)  # the moment of the kill is the point, not an event
                if process.poll() is None:
                    self.kills += 1
                kill_group(process)
            else:
                process.communicate(timeout=600)
            if not self._has_session(store):
                continue
            session = session_json(store, "@last")
            if session["status"] == "completed":
                return store
            command = ["resume", session["id"], *self._settlements(session)]

    def _has_session(self, store: Path) -> bool:
        listed = respell("list", "--json", store=store)
        return listed.returncode == 0 and bool(json.loads(listed.stdout))

    def _settlements(self, session: dict[str, Any]) -> list[str]:
        """What a person would answer who looks at the server's log."""
        options: list[str] = []
        for one in session["in_doubt"]:
            asked = int(one["args"]["params"]["input"].rpartition("/")[2])
            self.settled.append(asked)
            if asked in self.server.asked:
                outcome = {"success": True, "result": {"body": {"double": 2 * asked}}}
                self.given.add(asked)
                options += ["--outcome", f"{one['number']}={json.dumps(outcome)}"]
            else:
                options += ["--retry", str(one["number"])]
        return options


def the_story(folder: Path, *, megabytes: float, every: int, kills: int, longest_s: float) -> Story:
    with counting_server() as server:
        story = Story(folder, server, megabytes, every)
        calm = story.run_undisturbed()
        assert story.collected(folder / "calm") == len(server.asked)
        requests = list(server.asked)
        assert requests == sorted(set(requests))
        server.asked.clear()
        rounds = 0
        while story.kills < kills:
            rounds += 1
            store = story.run_and_kill(kills, longest_s, rounds)
            assert story.result(store) == calm
            assert story.collected(store) == len(requests) - len(story.given)
            story.given.clear()
            # In order; and each exactly once, but for those that a person had to settle.
            assert sorted(server.asked) == requests, "a request was lost or made twice"
            server.asked.clear()
    # Neither the server nor the file is there any more.
    story.log.unlink()
    replayed = respell("replay", "@last", "--json", store=store)
    result = json.loads(replayed.stdout)
    assert replayed.returncode == 0, replayed.stdout
    assert result["identical"]
    assert result["external_effects"] == 0
    return story


def test_a_session_killed_again_and_again_ends_as_if_undisturbed(tmp_path: Path) -> None:
    the_story(tmp_path, megabytes=2, every=2_000, kills=6, longest_s=1.0)


@pytest.mark.slow
def test_two_hundred_kills_over_a_log_of_100_mb(tmp_path: Path) -> None:
    story = the_story(tmp_path, megabytes=100, every=25_000, kills=200, longest_s=4.0)
    assert story.kills >= 200

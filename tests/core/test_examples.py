"""The five suites of examples run offline, assert what they show, and replay as identical."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import respell
from respell.store import Store
from stories import counting_server

EXAMPLES = Path(__file__).parents[2] / "examples"
SUITES = ("basic", "artifacts", "replay", "advanced", "integration")
SCRIPTS = [
    path.relative_to(EXAMPLES).as_posix()
    for suite in SUITES
    for path in sorted((EXAMPLES / suite).glob("*.lua"))
]
SAID = {
    "basic/sessions.lua": "3 frogs were seen",
    "basic/tools.lua": "umbrella: take two",
    "basic/state.lua": "heard: kettle.boiled, session.created, session.started, session.completed",
    "artifacts/versions.lua": "all of it is whole",
    "artifacts/collected.lua": "the guest has read it, and can't any more",
    "replay/recover.lua": "  extract was done before",
    "replay/what_if.lua": "replayed 6 events: identical",
    "advanced/workflows.lua": "gathered 2 of 3",
    "advanced/agents.lua": "a long |way to |go",
    "advanced/hooks.lua": "asked 1 time(s) for 3 answers",
    "integration/newsroom.lua": "== Rain fell on the city. ==",
}


@pytest.fixture
def run(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run an example to its end in a folder of its own; return the session and its lines."""
    monkeypatch.chdir(tmp_path)

    def go(name: str, *args: str) -> tuple[respell.SessionRecord, list[str]]:
        lines: list[str] = []
        done = respell.run(
            EXAMPLES / name, store=store, args=args,
            on_output=lambda _, text: lines.append(text.decode()),
        )  # fmt: skip
        assert done.session.status == "completed", done.session.error
        return done.session, lines

    return go


def test_there_are_examples_in_each_suite() -> None:
    assert set(SCRIPTS) == set(SAID)
    assert {name.split("/")[0] for name in SCRIPTS} == set(SUITES)


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_example_runs_and_replays(name: str, run: Any, store: Store) -> None:
    session, lines = run(name)
    assert SAID[name] in lines
    result = respell.replay(session, store=store)
    assert result.identical, result.divergence
    assert result.output_identical


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_example_says_how_it_is_run(name: str) -> None:
    text = (EXAMPLES / name).read_text()
    assert f"--   respell run examples/{name}" in text
    assert text.startswith("-- ")


def test_a_replay_of_the_newsroom_asks_nobody(run: Any, store: Store) -> None:
    with counting_server() as server:
        session, lines = run("integration/newsroom.lua", f"{server.url}/double/21")
        assert server.asked == [21]
        assert "== Rain fell on the city. ==" in lines
        assert respell.replay(session, store=store).identical
        assert server.asked == [21]
    assert respell.replay(session, store=store).identical  # nobody is there any more


def test_the_other_story_of_what_if_goes_on(run: Any, store: Store) -> None:
    session, _ = run("replay/what_if.lua")
    (fork,) = [one for one in store.sessions.list() if one.forked_from == session.id]
    lines: list[str] = []
    done = respell.resume(
        fork.id, store=store, on_output=lambda _, text: lines.append(text.decode())
    )
    assert done.session.status == "completed", done.session.error
    assert lines == ["the oracle says: sun", "so we go swimming"]


def test_state_outlives_a_run(run: Any) -> None:
    assert run("basic/state.lua")[1][0] == "this is run 1"
    assert run("basic/state.lua")[1][0] == "this is run 2"

"""Scripts in the style of v0.6.0 run as they are, and replay as identical.

`v060/*.lua` assert what they show; `v060/notes/*.lua` are the snippets of its release notes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import respell
from respell.store import Store
from stories import counting_server

FOLDER = Path(__file__).parent / "v060"
SCRIPTS = sorted(path.stem for path in FOLDER.glob("*.lua"))


@pytest.fixture
def url() -> Iterator[str]:
    """A real HTTP server on the loopback interface."""
    with counting_server() as server:
        yield server.url


def test_there_is_a_script_for_each_part_of_the_api() -> None:
    assert SCRIPTS == [
        "agents", "artifacts", "hooks", "replay_helpers", "sessions", "state_events", "suites",
        "tools", "workflows",
    ]  # fmt: skip


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_runs_unmodified(
    name: str, tmp_path: Path, store: Store, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MY_SECRET_TOKEN", "not for scripts")
    lines: list[str] = []
    done = respell.run(
        FOLDER / f"{name}.lua", store=store, args=[url, str(tmp_path)], allow=["process"],
        on_output=lambda _, text: lines.append(text.decode()),
    )  # fmt: skip
    assert done.session.status == "completed", done.session.error
    assert lines[-1].endswith(": all good")
    result = respell.replay(done.session, store=store)
    assert result.identical, result.divergence
    assert result.output_identical


def test_a_replay_asks_nothing_of_the_world(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with counting_server() as server:
        done = respell.run(
            FOLDER / "tools.lua", store=store, args=[server.url, str(tmp_path)], allow=["process"]
        )
        assert server.asked == [21]
        assert respell.replay(done.session, store=store).identical
        assert server.asked == [21]


# The release notes ----------------------------------------------------------------------------


def notes(name: str) -> str:
    """Return a snippet, with what is not there replaced by what is."""
    text = (FOLDER / "notes" / f"{name}.lua").read_text()
    for old, new in {"/path/to/report.pdf": "report.pdf", '"gpt-4"': '"mock/echo"'}.items():
        text = text.replace(old, new)
    return text


@pytest.fixture
def shows(script: Any, store: Store, tmp_path: Path) -> Any:
    """Run snippets and what checks them, live and replayed."""
    (tmp_path / "report.pdf").write_bytes(b"%PDF-1.7 not really")

    def run(text: str) -> list[str]:
        done = script(text)
        assert done.session.status == "completed", done.session.error
        assert respell.replay(done.session, store=store).identical
        lines: list[str] = script.lines
        return lines

    return run


def test_the_notes_on_sessions_and_artifacts_do_what_they_say(shows: Any) -> None:
    assert shows(
        notes("sessions")
        + """
        local record = Session.get(session.id)
        local tags = table.concat(record.tags, " ")
        print(record.name, record.status, record.limits.max_duration, tags)
        print(restored == session.id, restored.name, current == session.id, current.status)
        """
        + notes("artifacts")
        + """
        print(artifact.metadata.mime_type, table.concat(artifact.metadata.tags, " "))
        print(JSON.parse(artifact.content).revenue, content.revenue, content.growth)
        print(#artifacts, artifacts[1].name, artifacts[1].artifact_type)
        local file = Artifact.get(session.id, file_id)
        print(file.metadata.name, file.metadata.description, file.content)
        """
    ) == [
        "research_session\tactive\t3600.0\tresearch analysis",
        "true\tresearch_session\ttrue\tactive",
        "application/json\tquarterly finance",
        "1000000\t1000000\t0.15",
        "1\tanalysis.json\tUserInput",
        "report.pdf\tQ4 financial report\t%PDF-1.7 not really",
    ]


def test_the_notes_on_using_sessions_do_what_they_say(shows: Any) -> None:
    """What is stored belongs to the current session; what is collected to who asked for it."""
    assert shows(
        notes("use_in_scripts")
        + """
        print(result.text, Session.getCurrent() == session.id)
        Artifact.store(nil, "answer.txt", result.text)
        print(#Artifact.list(session.id), Artifact.list(session.id)[1].name)
        Session.setCurrent(nil)
        for _, one in ipairs(Artifact.list(nil, { artifact_type = "AgentOutput" })) do
          print(one.artifact_type, one.tags[1], Artifact.getContent(nil, one.id))
        end
        """
    ) == ["Analyze data\ttrue", "1\tanswer.txt", "AgentOutput\tauto-collected\tAnalyze data"]


def test_the_notes_on_policies_do_what_they_say(shows: Any) -> None:
    assert shows(
        notes("policies")
        + """
        local limits = Session.get(session.id).limits
        print(limits.max_duration, limits.max_idle_time)
        """
    ) == ["600.0\t120.0"]

"""One session has one host: the second is refused, and a dead one is replaced at once."""

from __future__ import annotations

from pathlib import Path

from stories import begin, event_lines, kill_group, respell, session_json, write_script

BUSY = "print('working') Session.suspend() print('again') while true do end"


def waiting_session(tmp_path: Path) -> tuple[Path, str]:
    store = tmp_path / "store"
    done = respell("run", write_script(tmp_path, BUSY), store=store)
    assert done.returncode == 3, done.stderr
    return store, session_json(store, "@last")["id"]


def test_a_second_resume_is_refused_and_says_who_holds_it(tmp_path: Path) -> None:
    store, session = waiting_session(tmp_path)
    holder = begin("resume", session, store=store)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "again\n"
        second = respell("resume", session, store=store)
        assert second.returncode == 6
        assert str(holder.pid) in second.stderr
        assert session_json(store, session)["running"]
    finally:
        kill_group(holder)


def test_after_kill_9_of_the_holder_the_next_resume_works_at_once(tmp_path: Path) -> None:
    store, session = waiting_session(tmp_path)
    holder = begin("resume", session, store=store)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "again\n"
    kill_group(holder)
    shown = session_json(store, session)
    assert (shown["status"], shown["running"], shown["interrupted"]) == ("active", False, True)
    again = respell("resume", session, "--limit", "max_duration=1", store=store)
    assert again.returncode == 5, again.stderr
    names = [one["name"] for one in event_lines(store, session)]
    assert names.count("session.suspend") == 1
    assert "limit.max_duration" in names

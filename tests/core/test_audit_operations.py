"""Everything that is done to sessions is in the audit log: by scripts, Python and the terminal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import respell as lib
from respell.store import Store
from respell.store.care.checking import check
from stories import respell, write_script


def noted(store: Store, session: str) -> list[tuple[str, str]]:
    """Return what was done to a session, and by whom."""
    return [(it.action, it.actor) for it in store.audit.list(session=session)
            if it.session == session and it.allowed]  # fmt: skip


def test_what_a_script_does_to_sessions(script: Any, store: Store, tmp_path: Path) -> None:
    done = script("""
        local id = Session.create{name = "child"}
        Session.suspend(id)
        Session.resume(id)
        Session.complete(id)
        Session.archive(id)
        print(id)
        local failed = Session.create{name = "failed"}
        Session.fail(failed, "no reason")
        print(failed)
        local me = Session.getCurrent()
        Session.replay(me)
        print(Session.fork(me, {at = 2}))
        local other = Session.create{}
        Session.export(other, "child.respell")
        Session.delete(other)
        print(Session.import("child.respell"))
    """)
    assert done.session.status == "completed", done.session.error
    child, failed, fork, moved = script.lines
    me = done.session.id
    assert noted(store, child) == [
        (f"session.{what}", me) for what in ("create", "suspend", "resume", "complete", "archive")
    ]
    assert noted(store, failed) == [("session.create", me), ("session.fail", me)]
    assert noted(store, fork) == [("session.fork", me)]
    assert noted(store, moved) == [
        (f"session.{what}", me) for what in ("create", "export", "delete", "import")
    ]
    assert noted(store, me) == [
        ("session.create", "python"), ("session.replay", me), ("session.complete", me),
    ]  # fmt: skip
    (entry,) = [it for it in store.audit.list(session=failed) if it.action == "session.fail"]
    assert entry.reason == "no reason"


def test_what_python_does_to_sessions(script: Any, store: Store, tmp_path: Path) -> None:
    made = lib.create(store=store, name="made")
    made.suspend()
    made.resume()
    made.export(tmp_path / "made.respell")
    made.complete()
    made.archive()
    made.delete()
    assert noted(store, made.id) == [
        (f"session.{what}", "python")
        for what in ("create", "suspend", "resume", "export", "complete", "archive", "delete")
    ]
    lib.import_(tmp_path / "made.respell", store=store)
    assert noted(store, made.id)[-1] == ("session.import", "python")

    waiting = lib.Session(store, script("Session.suspend() error('oh')").session)
    waiting.replay()
    fork = waiting.fork(1)
    fork.fail("not needed")
    waiting.resume(limits={"operations": 50})
    assert noted(store, waiting.id) == [
        ("session.create", "python"),
        ("session.suspend", waiting.id),
        ("session.replay", "python"),
        ("session.resume", "python"),
        ("session.limits", "python"),
        ("session.fail", waiting.id),
    ]
    (limits,) = [it for it in store.audit.list() if it.action == "session.limits"]
    assert limits.target == "operations=50"
    assert noted(store, fork.id) == [("session.fork", "python"), ("session.fail", "python")]


def test_what_the_terminal_does_to_sessions(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    path = write_script(tmp_path, "Session.suspend() error('oh')")

    def cli(*args: str) -> str:
        done = respell(*args, store=folder, cwd=tmp_path)
        assert done.returncode in (0, 1, 3, 5), done.stderr
        return done.stdout

    cli("run", path, "--name", "one")
    cli("replay", "one")
    fork = json.loads(cli("fork", "one", "--at", "1", "--json"))["id"]
    cli("export", "one", "one.respell")
    cli("resume", "one", "--limit", "operations=50")
    cli("archive", "one")
    cli("fail", fork)
    with Store(folder) as store:
        one = store.sessions.find("one").id
    cli("delete", fork, "--yes")
    cli("delete", "one", "--yes")
    cli("import", "one.respell")
    with Store(folder) as store:
        assert noted(store, one) == [
            ("session.create", "cli"), ("session.suspend", one), ("session.replay", "cli"),
            ("session.export", "cli"), ("session.resume", "cli"), ("session.limits", "cli"),
            ("session.fail", one), ("session.archive", "cli"), ("session.delete", "cli"),
            ("session.import", "cli"),
        ]  # fmt: skip
        assert noted(store, fork) == [
            ("session.fork", "cli"), ("session.fail", "cli"), ("session.delete", "cli"),
        ]  # fmt: skip
    shown = json.loads(cli("audit", one, "--json"))
    assert [it["action"] for it in shown][-1] == "session.import"


def test_a_changed_byte_of_the_log_is_found(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        made = lib.create(store=store, name="made")
        made.complete()
        assert check(store, read_data=True).ok
        store._database.write("UPDATE audit SET actor = 'nobody' WHERE action = 'session.create'")
        (finding,) = check(store, read_data=True).findings
        assert finding.kind == "row.damaged"
        assert finding.what.startswith("entry 1 of the audit log is not what was written")


def test_a_changed_byte_of_a_grant_is_found(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        one, other = lib.create(store=store), lib.create(store=store)
        one.state.grant(other)
        assert check(store, read_data=True).ok
        store._database.write("UPDATE grants SET level = 3")
        (finding,) = check(store, read_data=True).findings
        assert (finding.kind, finding.what) == (
            "row.damaged", "grant 1 is not what was written: it doesn't fit its checksum",
        )  # fmt: skip
        store._database.write("UPDATE grants SET session = 77")
        assert {it.kind for it in check(store).findings} == {"orphan.row"}
        assert check(store, repair=True).ok
        assert store.grants.list() == []

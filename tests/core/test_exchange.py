"""Export and import: a session moves to another store as one file, and is the same there."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import respell
from command_line import CommandLine, next_line, session_of
from respell import values
from respell.errors import SessionNotFound, StoreCorrupt, UsageError
from respell.history.events import events
from respell.security import Permissions
from respell.sessions.inheritance import known_id
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.store.care.checking import check
from respell.store.exchange.exporting import export_session
from respell.store.exchange.importing import import_session, inspect
from store_children import effect, run_code

STORY = """
local me = Session.getCurrent()
local child = Session.create{name = "notes", tags = {"kept"}, metadata = {of = "story"}}
State.set("count", 1)
State.set("global", "greeting", "hello")
Artifact.store(nil, "report.md", "# Report", {tags = {"draft"}, description = "first", by = "Ada"})
Artifact.store(nil, "report.md", "# Report 2")
local gone = Artifact.store(nil, "gone.txt", "to be deleted")
Artifact.delete(nil, gone)
Artifact.store(child, "note.txt", "a note")
State.set("session:" .. child, "seen", {1, 2})
Artifact.storeFile(nil, "lines.txt")
Artifact.store(nil, "big.txt", string.rep("big ", 30000))
Artifact.store(nil, "huge.bin", string.rep("0123456789abcdef", 600000))
local lines = io.lines("lines.txt")
print(lines(), input.city, args[1])
print("asked:", Session.suspend{prompt = "go on?"})
print(lines(), State.get("count"), #Artifact.list(), #Artifact.versions(nil, "report.md"))
print(State.get("session:" .. child, "seen")[2], Artifact.list(child)[1].name)
Artifact.store(nil, "report.md", "# Report 3")
Artifact.store(child, "note.txt", "a note more")
print(Artifact.versions(nil, "report.md")[3].version, Session.getCurrent() == me)
"""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Store]:
    """A store somewhere else."""
    with Store(tmp_path / "elsewhere" / "store", durability="process") as opened:
        yield opened


@pytest.fixture
def story(tmp_path: Path, script: Any) -> SessionRecord:
    """A session that has one of everything and is suspended; the file it read is gone."""
    (tmp_path / "lines.txt").write_text("one\ntwo\n" * 2000)
    done = script(STORY, args=("first",), input={"city": "Oslo"}, tags=["a", "b"])
    assert done.session.status == "suspended", done.session.error
    (tmp_path / "lines.txt").unlink()
    return done.session


def moved(store: Store, session: SessionRecord, to: Store, **options: Any) -> SessionRecord:
    """Export a session and import it into another store."""
    path = to.path / "moved.export"
    export_session(store, session, path, **options)
    return import_session(to, path)


def to_its_end(session: SessionRecord, store: Store) -> tuple[SessionRecord, list[str]]:
    """Resume a session until it completes; return it with its new output."""
    lines: list[str] = []

    def keep(name: str, text: bytes) -> None:
        lines.append(text.decode())

    while session.status == "suspended":
        session = respell.resume(session, store=store, on_output=keep).session
    assert session.status == "completed", session.error
    return session, lines


def dumped(store: Store) -> dict[str, Any]:
    """Everything in a store that anybody could notice."""
    tables = ("sessions", "session_inputs", "records", "open_effects", "state", "artifacts",
              "artifact_tags", "blob_refs", "inbox")  # fmt: skip
    return {
        name: sorted(store._database.rows(f"SELECT * FROM {name}"), key=repr) for name in tables
    }


# ── the same in another place ────────────────────────────────────────────────────────────


def test_a_session_is_the_same_elsewhere_and_goes_on(
    store: Store, other: Store, story: SessionRecord, script: Any
) -> None:
    there = moved(store, story, other)
    assert check(other, read_data=True).findings == []
    for field in SessionRecord.__dataclass_fields__:
        if field != "key":
            assert getattr(there, field) == getattr(story, field), field
    assert other.history.verify(there.key) == story.records
    assert list(other.history.records(there.key)) == list(store.history.records(story.key))
    assert [it.to_json("") for it in events(other, there.key)] == [
        it.to_json("") for it in events(store, story.key)
    ]
    assert respell.diff(story, story, store=store).identical
    assert respell.replay(there, store=other).identical
    script.lines.clear()
    ended = respell.resume(
        there, store=other, value="yes", on_output=lambda _, text: script.lines.append(text)
    )
    assert ended.session.status == "completed", ended.session.error
    assert script.lines == [b"asked:\tyes", b"two\t1\t5\t2", b"2\tnote.txt", b"3\ttrue"]
    assert respell.replay(ended.session, store=other).identical


def test_artifacts_state_and_sessions_it_created_come_along(
    store: Store, other: Store, story: SessionRecord
) -> None:
    there = moved(store, story, other)
    assert {it.id for it in other.sessions.list()} == {it.id for it in store.sessions.list()}
    for here in store.artifacts.list():
        found = other.artifacts.get(here.id)
        assert (found.name, found.version, found.tags, found.description, found.custom) == (
            here.name, here.version, here.tags, here.description, here.custom,
        )  # fmt: skip
        assert other.blobs.get(found.content_hash) == store.blobs.get(here.content_hash)
    assert other.artifacts.count() == store.artifacts.count() == 6
    child = other.sessions.find("notes")
    for owner in (story.id, child.id):
        scope = f"session:{owner}"
        assert other.state.items(scope) == store.state.items(scope) != []
    assert other.state.items("global") == []  # nobody's in particular
    # The number of a deleted artifact is not given again.
    assert other._database.row(
        "SELECT sequence, deleted FROM artifacts WHERE name = 'gone.txt'"
    ) == (3, 1)
    assert other._database.value("SELECT sequence FROM sessions WHERE key = ?", (there.key,)) == 6


def test_a_session_without_program_and_one_that_has_ended_can_be_moved(
    store: Store, other: Store, script: Any
) -> None:
    done = script('Session.create{name = "alone"} print(1) error("on purpose")').session
    assert done.status == "failed"
    there = moved(store, done, other)
    assert there.error == done.error
    assert respell.replay(there, store=other).identical
    other.sessions.delete(other.sessions.find("alone").key)
    alone = moved(store, store.sessions.find("alone"), other)
    assert (alone.name, alone.script, alone.records) == ("alone", None, 0)


def test_a_large_outcome_and_a_large_input_are_moved(
    store: Store, other: Store, script: Any
) -> None:
    text = "local t = Session.suspend() print(#t, #input)"
    done = script(text, input="i" * 200_000)
    done = script.resume(done.session, value="v" * 9_000_000)
    there = moved(store, done.session, other)
    assert there.input == "i" * 200_000
    assert respell.replay(there, store=other).identical
    assert other.history.verify(there.key) == done.session.records


def test_effects_in_doubt_are_still_in_doubt_elsewhere(
    store: Store, other: Store, script: Any
) -> None:
    session = script("print(1) Session.suspend() print(2)").session
    opened = [(it.number, it.name, it.record) for it in store.history.open_effects(session.key)]
    there = moved(store, session, other)
    found = [(it.number, it.name, it.record) for it in other.history.open_effects(there.key)]
    assert found == opened != []


def test_what_is_running_is_exported_up_to_a_moment(tmp_path: Path) -> None:
    run = CommandLine(tmp_path)
    run.script(
        'State.set("n", 0) for i = 1, 200 do State.set("n", i) print(i) end '
        'print("waiting") Utils.sleep(60)'
    )
    with run.begun("run", "script.lua") as process:
        ident = next_line(process, "stderr").split()[1]
        for _ in range(20):
            next_line(process)
        with Store(run.store) as store:
            session = store.sessions.get(ident)
            report = export_session(store, session, tmp_path / "running.export")
            assert store.leases.holder(session.key) is not None
    with Store(tmp_path / "other") as other:
        there = import_session(other, tmp_path / "running.export")
        assert there.status == "active"
        assert other.leases.holder(there.key) is None
        assert other.history.verify(there.key) == there.records == report.records
        sets = [it for it in events(other, there.key) if it.name == "state.set"]
        # State and history are of the same moment.
        assert other.state.get(f"session:{there.id}", "n") == values.encode(sets[-1].args["value"])
        assert respell.replay(there, store=other).identical


def test_the_command_line_moves_a_session(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one, two = CommandLine(tmp_path / "one"), CommandLine(tmp_path / "two")
    one.script('print("a") print(Session.suspend()) State.set("k", 1) print("end")')
    ident = session_of(one("run", "script.lua", code=3))
    one("export", ident, str(tmp_path / "it.export"))
    imported = two("import", str(tmp_path / "it.export"))
    assert imported.out.strip() == ident
    assert "identical" in two("replay", ident).out
    assert two("resume", ident, "--value", '"b"').out == "b\nend\n"
    assert "resumed, it reads and writes below" in imported.err
    refused = two("import", str(tmp_path / "it.export"), code=2)
    assert f"session {ident} (script) is in the store" in refused.err
    assert f"`respell delete {ident}`" in refused.err
    one("import", str(tmp_path / "none"), code=2)


# ── forks ────────────────────────────────────────────────────────────────────────────────

FORKED = """
local me = Session.getCurrent()
local child = Session.create{name = "child"}
State.set("total", 10)
Artifact.store(nil, "a.txt", "of the first")
local factor = 2
local answer = State.get("total")
print(factor, answer)
local again = io.open("big.txt")
local text = again:read("a")
print(#text)
Session.suspend()
print(me == Session.getCurrent(), State.get(me .. "") == nil, #Artifact.list(me))
State.set("session:" .. child, "k", factor)
print(Session.get(child).name, State.get("session:" .. child, "k"), State.get("total"))
Session.suspend()
print("end")
"""


@pytest.fixture
def forked(tmp_path: Path, script: Any, store: Store) -> SessionRecord:
    """A fork of a suspended session, with another value of a variable."""
    (tmp_path / "big.txt").write_text("x" * 300_000)
    first = script(FORKED).session
    assert first.status == "suspended", first.error
    at = next(it.number for it in events(store, first.key) if it.name == "file.open")
    return respell.fork(first, store=store, at=f"{at - 1}", variables={"factor": 5})


def test_a_fork_stands_alone_without_its_original(
    store: Store, other: Store, forked: SessionRecord
) -> None:
    here = respell.resume(forked, store=store).session
    lines: list[bytes] = []
    there = moved(store, here, other)
    assert check(other, read_data=True).findings == []
    assert (there.fork_of, there.fork_seq, there.forked_from) == (None, 0, here.forked_from)
    assert there.head_hash == here.head_hash
    assert other.history.verify(there.key) == here.records
    assert known_id(other, there) == known_id(store, here) == here.forked_from
    assert respell.replay(there, store=other).identical
    ended = respell.resume(there, store=other, on_output=lambda _, text: lines.append(text))
    ended = respell.resume(ended.session, store=other, on_output=lambda _, t: lines.append(t))
    assert ended.session.status == "completed", ended.session.error
    assert lines == [b"true\ttrue\t1", b"child\t5\t10", b"end"]
    assert respell.replay(ended.session, store=other).identical


@pytest.mark.parametrize("fork_first", [True, False])
def test_original_and_fork_can_be_imported_one_after_the_other(
    store: Store, other: Store, forked: SessionRecord, fork_first: bool
) -> None:
    original = store.sessions.get(str(forked.forked_from))
    order = [forked, original] if fork_first else [original, forked]
    for one in order:
        there = moved(store, one, other)
        assert respell.replay(there, store=other).identical
        respell.resume(there, store=other)
    both = [other.sessions.get(it.id) for it in order]
    # Each has its own child, though the script knows both by one id.
    assert len([it for it in other.sessions.list() if it.name == "child"]) == 2
    for one in both:
        assert respell.replay(one, store=other).identical
    other.sessions.delete(both[0].key)
    assert respell.replay(both[1], store=other).identical


def test_a_fork_of_a_fork_with_another_script_is_moved_and_forked_again(
    tmp_path: Path, store: Store, other: Store, forked: SessionRecord
) -> None:
    script = tmp_path / "changed.lua"
    script.write_text(FORKED.replace('print("end")', 'print("another end")'))
    waiting = respell.resume(forked, store=store).session
    second = respell.fork(waiting, store=store, at=str(waiting.events - 2), script=script)
    store.sessions.delete(forked.key)  # the second still needs its records
    there = moved(store, second, other)
    assert known_id(other, there) == forked.forked_from
    third = respell.fork(there, store=other, at=str(there.events), name="third")
    for one in (there, third):
        ended, lines = to_its_end(one, other)
        assert lines[-3:] == ["true\ttrue\t1", "child\t5\t10", "another end"]
        assert respell.replay(ended, store=other).identical
    # And back again, out of the store it came to.
    with Store(tmp_path / "third") as last:
        assert respell.replay(moved(other, third, last), store=last).identical


def test_a_fork_takes_nothing_along_that_came_after_it(
    tmp_path: Path, store: Store, other: Store, script: Any
) -> None:
    (tmp_path / "early.txt").write_text("early")
    (tmp_path / "late.txt").write_text("late")
    text = 'io.open("early.txt"):read("a") print(1) io.open("late.txt"):read("a") print(2)'
    first = script(text).session
    opened = [it for it in events(store, first.key) if it.name == "file.open"]
    fork = respell.fork(first, store=store, at=str(opened[0].number))
    there = moved(store, fork, other)
    early, late = (it.outcome["hash"] for it in opened)
    early, late = (it if isinstance(it, bytes) else it.encode() for it in (early, late))
    assert early in other.blobs
    assert late not in other.blobs
    assert respell.replay(there, store=other).identical


# ── the file ─────────────────────────────────────────────────────────────────────────────


def test_the_file_is_for_its_owner_and_says_what_is_in_it(
    tmp_path: Path, store: Store, story: SessionRecord
) -> None:
    path = tmp_path / "story.export"
    done: list[tuple[int, int]] = []
    report = export_session(
        store, story, path, actor="ada", on_progress=lambda at, of: done.append((at, of))
    )
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert report.size == path.stat().st_size
    assert done[-1][0] == done[-1][1]
    assert all(at <= of for at, of in done)
    assert [at for at, _ in done] == sorted(at for at, _ in done)
    found = inspect(path)
    assert (found.session.id, found.session.name, found.session.status) == (
        story.id, story.name, "suspended",
    )  # fmt: skip
    assert (found.sessions, found.records, found.artifacts, found.blobs) == (
        2, story.records, 6, report.blobs,
    )  # fmt: skip
    assert not found.redacted
    assert found.session.events == story.events
    entry = store.audit.list()[-1]
    assert (entry.action, entry.session, entry.actor) == ("session.export", story.id, "ada")
    assert report.to_json()["path"] == str(path)


def test_an_export_replaces_an_export_and_nothing_else(
    tmp_path: Path, store: Store, story: SessionRecord
) -> None:
    path = tmp_path / "it"
    export_session(store, story, path)
    first = path.read_bytes()
    export_session(store, story, path)
    assert len(path.read_bytes()) == len(first)
    mine = tmp_path / "mine.lua"
    mine.write_text("print(1)")
    with pytest.raises(UsageError, match=r"mine\.lua is there already and is no exported session"):
        export_session(store, story, mine)
    assert mine.read_text() == "print(1)"
    with pytest.raises(UsageError, match="is there already"):
        export_session(store, story, tmp_path)
    with pytest.raises(UsageError, match=r"can't write .*/none/it: No such file"):
        export_session(store, story, tmp_path / "none" / "it")
    with pytest.raises(UsageError, match="File name too long"):
        export_session(store, story, tmp_path / ("n" * 300))
    with pytest.raises(UsageError, match="NUL"):
        export_session(store, story, tmp_path / "a\0b")
    assert [it.name for it in tmp_path.iterdir() if it.name.startswith(".respell")] == []


def test_a_failed_export_leaves_nothing(tmp_path: Path, store: Store, story: SessionRecord) -> None:
    large = next(it for it in store.artifacts.list() if it.name == "huge.bin")
    chunk = store.blobs.stored(large.content_hash).chunks[3]
    file = store.blobs.path(chunk)
    if file.exists():
        file.chmod(0o600)
        file.write_bytes(b"damaged")
    else:
        store._database.write(
            "UPDATE blob_data SET data = x'00' WHERE id = ?", (store.blobs.info(chunk).id,)
        )
    with pytest.raises(StoreCorrupt, match=chunk.hex()):
        export_session(store, story, tmp_path / "it")
    assert not (tmp_path / "it").exists()
    assert [it.name for it in tmp_path.iterdir() if it.name.startswith(".respell")] == []


def test_a_changed_record_is_not_exported(
    tmp_path: Path, store: Store, story: SessionRecord
) -> None:
    database, key = store._database, story.key
    for seq, body in database.rows("SELECT seq, body FROM records WHERE session = ?", (key,)):
        if b"greeting" in body:
            changed = body.replace(b"greeting", b"Greeting")
            database.write(
                "UPDATE records SET body = ? WHERE session = ? AND seq = ?", (changed, key, seq)
            )
            break
    with pytest.raises(StoreCorrupt, match=rf"record {seq} of session .* doesn't fit the hash"):
        export_session(store, story, tmp_path / "it")


def test_export_works_from_a_store_that_can_only_be_read(
    tmp_path: Path, story: SessionRecord, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.sync()
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and real(path, os.R_OK))
    with Store(store.path) as reading:
        assert reading.read_only
        export_session(reading, reading.sessions.get(story.id), tmp_path / "it")
    monkeypatch.undo()
    assert inspect(tmp_path / "it").records == story.records


def test_sessions_it_only_loaded_are_named_and_left_out(
    tmp_path: Path, store: Store, script: Any
) -> None:
    script('Session.create{name = "lent"}')
    lent = store.sessions.find("lent").id
    done = script(f'Session.load("{lent}") Artifact.store("{lent}", "n", "1")').session
    assert done.status == "completed", done.error
    report = export_session(store, done, tmp_path / "it")
    assert report.left_out == (lent,)
    assert report.sessions == 1


# ── importing ────────────────────────────────────────────────────────────────────────────


def test_a_session_that_is_there_is_not_imported_again(
    store: Store, other: Store, story: SessionRecord, tmp_path: Path
) -> None:
    path = tmp_path / "it"
    export_session(store, story, path)
    import_session(other, path)
    with pytest.raises(
        UsageError, match=rf"session {story.id} \(main\) is in the store .* already"
    ):
        import_session(other, path)
    other.sessions.delete(other.sessions.find("notes").key)
    before = dumped(other)
    with pytest.raises(UsageError, match=f"session {story.id}"):
        import_session(other, path)
    assert dumped(other) == before
    other.sessions.delete(other.sessions.get(story.id).key)
    assert respell.replay(import_session(other, path), store=other).identical


def test_one_that_a_fork_still_needs_is_not_imported_over(
    store: Store, forked: SessionRecord, tmp_path: Path
) -> None:
    original = store.sessions.get(str(forked.forked_from))
    export_session(store, original, tmp_path / "it")
    for one in store.sessions.list():
        if one.name in ("main", "child") and one.id != forked.id:
            store.sessions.delete(one.key)
    with pytest.raises(UsageError, match=r"was deleted .* but a fork of it still needs"):
        import_session(store, tmp_path / "it")
    store.sessions.delete(forked.key)
    import_session(store, tmp_path / "it")


def test_content_that_is_there_already_is_stored_once(
    store: Store, other: Store, story: SessionRecord, tmp_path: Path
) -> None:
    export_session(store, story, tmp_path / "it")
    import_session(other, tmp_path / "it")
    before = other._database.value("SELECT count(*) FROM blobs")
    other.sessions.delete(other.sessions.get(story.id).key)
    other.sessions.delete(other.sessions.find("notes").key)
    import_session(other, tmp_path / "it")
    assert other._database.value("SELECT count(*) FROM blobs") == before


# ── what an imported session may do ──────────────────────────────────────────────────────


@pytest.fixture
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    """Go to another folder, as on another machine."""

    def go() -> Path:
        folder = tmp_path / "home"
        folder.mkdir()
        monkeypatch.chdir(folder)
        return folder

    return go


def test_what_was_allowed_elsewhere_opens_nothing_here(
    tmp_path: Path, store: Store, other: Store, script: Any, away: Callable[[], Path]
) -> None:
    secret = tmp_path / "elsewhere" / "secret.txt"
    secret.write_text("secret")
    text = f"""
    Session.suspend()
    print(pcall(io.open, "{secret}"))
    print(pcall(io.open, "{tmp_path}/main.lua"))
    print(pcall(os.execute, "true"))
    local file = assert(io.open("mine.txt", "w")) file:write("x") file:close()
    print(pcall(os.getenv, "RESPELL_TEST_SECRET_KEY"))
    """
    allow = ("process", "read=/", "write=/", "env=RESPELL_TEST_SECRET_KEY")
    session = script(text, allow=allow).session
    early = respell.fork(session, store=store, at="1")
    home = away()
    for one in (session, early):
        there = moved(store, one, other)
        again = respell.fork(there, store=other, at="1")
        for it in (there, again):
            ended, lines = to_its_end(it, other)
            assert f"reading {secret} is not allowed" in lines[0]
            assert "main.lua is not allowed" in lines[1]
            assert "running true is not allowed" in lines[2]
            assert (home / "mine.txt").read_text() == "x"
            assert lines[3] == "true\tnil"
            assert respell.replay(ended, store=other).identical


def test_the_importer_decides_and_what_was_denied_stays_denied(
    tmp_path: Path, store: Store, other: Store, script: Any, away: Callable[[], Path]
) -> None:
    text = """
    Session.suspend()
    print(os.execute("true"))
    print(pcall(io.open, "denied.txt"))
    """
    session = script(text, deny=("read",)).session
    home = away()
    (home / "denied.txt").write_text("x")
    export_session(store, session, tmp_path / "it")
    allowed = Permissions.from_flags(("process",), (), script_dir=home, cwd=home)
    there = import_session(other, tmp_path / "it", permissions=allowed)
    lines: list[str] = []
    respell.resume(there, store=other, on_output=lambda _, text: lines.append(text.decode()))
    assert lines[0].startswith("true")
    assert "--deny read forbids it" in lines[1]


def test_the_command_line_gives_an_imported_session_its_permissions(tmp_path: Path) -> None:
    run = CommandLine(tmp_path)
    run.script('Session.suspend() print(pcall(os.execute, "true"))')
    ident = session_of(run("run", "script.lua", "--allow", "process", code=3))
    run("export", ident, "it")
    plain, given = str(tmp_path / "plain"), str(tmp_path / "given")
    imported = run("--store", plain, "import", "it")
    assert "it also had process; it does not have that here" in imported.err
    assert "is not allowed" in run("--store", plain, "resume", ident).out
    imported = run("--store", given, "import", "it", "--allow", "process")
    assert "does not have" not in imported.err
    assert run("--store", given, "resume", ident).out.startswith("true\ttrue")


def test_an_imported_session_can_not_open_the_store_it_came_to(
    tmp_path: Path, store: Store, script: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = script('Session.suspend() print(pcall(io.open, "store2/store.db"))').session
    lines: list[str] = []
    with Store(tmp_path / "store2") as inside:
        there = moved(store, session, inside)
        respell.resume(there, store=inside, on_output=lambda _, text: lines.append(text.decode()))
    assert "it belongs to the session store" in lines[0]


# ── large ones ───────────────────────────────────────────────────────────────────────────

FILL = """
import sys
from respell.artifacts.record import ArtifactRecord
from respell.sessions.record import SessionRecord
from respell.store import Store
sys.path[:0] = [sys.argv[3]]
from store_children import Noise
with Store(sys.argv[1], durability="process") as store:
    key = store.sessions.insert(SessionRecord(name="large")).key
    address, size = store.blobs.put_stream(Noise(int(sys.argv[2])))
    store.artifacts.insert(ArtifactRecord(key, "large.bin", address, size))
"""

MOVE = """
import sys
from pathlib import Path
from respell.store import Store
from respell.store.exchange.exporting import export_session
from respell.store.exchange.importing import import_session

def peak():
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024

file, redact = Path(sys.argv[2]), sys.argv[3:]
with Store(sys.argv[1]) as store, Store(file.parent / "other", durability="process") as other:
    session = store.sessions.find("large")
    before = peak()
    export_session(store, session, file, redact=redact)
    there = import_session(other, file)
    assert other.artifacts.list()[0].size >= store.artifacts.list()[0].size
    print(peak() - before)
"""


def test_a_history_that_lost_its_end_is_not_exported(
    tmp_path: Path, store: Store, story: SessionRecord
) -> None:
    store._database.write(
        "DELETE FROM records WHERE session = ? AND seq > ?", (story.key, story.records - 3)
    )
    match = rf"should have {story.records} records .*, and record {story.records - 3} of .* is lost"
    with pytest.raises(StoreCorrupt, match=match):
        export_session(store, story, tmp_path / "it")
    assert not (tmp_path / "it").exists()


def test_a_session_that_is_deleted_while_it_is_exported_is_not_exported(
    tmp_path: Path, store: Store
) -> None:
    session = store.sessions.insert(SessionRecord())
    lease = store.leases.acquire(session.key)
    store.history.writer(session.key, lease).append([effect(n) for n in range(1, 6000)])
    store.leases.release(session.key, lease)
    with Store(store.path, durability="process") as beside:

        def deleted(done: int, total: int) -> None:
            if beside.sessions.list():
                beside.sessions.delete(session.key)

        with pytest.raises(SessionNotFound):
            export_session(store, session, tmp_path / "it", on_progress=deleted)
    assert not (tmp_path / "it").exists()


def test_what_is_no_file_is_not_written_to(
    tmp_path: Path, store: Store, story: SessionRecord
) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/"), tmp_path, Path("/dev/null")):
        with pytest.raises(UsageError, match="is there already and is no exported session"):
            export_session(store, story, path)
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("redact", [[], ["needle"]], ids=["as it is", "redacted"])
@pytest.mark.parametrize(
    "megabytes", [64, pytest.param(1024, marks=pytest.mark.slow)], ids=["64 MB", "1 GB"]
)
def test_memory_stays_flat_however_large_a_session_is(
    tmp_path: Path, megabytes: int, redact: list[str]
) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("this system does not tell how much memory was used at most")
    tests = Path(__file__).parents[1]
    filled = run_code(FILL, tmp_path / "store", megabytes << 20, tests, timeout=600)
    assert filled.returncode == 0, filled.stderr
    moved = run_code(MOVE, tmp_path / "store", tmp_path / "file", *redact, timeout=600)
    assert moved.returncode == 0, moved.stderr
    assert int(moved.stdout) < (120 if redact else 60)

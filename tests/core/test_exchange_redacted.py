"""Redaction: what must not be seen is nowhere in the file, and the rest can be looked at."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import lz4.frame
import msgpack
import pytest
from blake3 import blake3
from hypothesis import given, settings

import respell
from command_line import CommandLine, session_of
from respell import values
from respell.engine.doubt import in_doubt
from respell.errors import UsageError
from respell.history.events import events
from respell.history.record import Part, Record
from respell.sessions.record import SessionRecord, session_json
from respell.store import Store
from respell.store.care.checking import check
from respell.store.exchange.export_blobs import BLOB_HEAD
from respell.store.exchange.exporting import export_session
from respell.store.exchange.file import ExportReader, Kind
from respell.store.exchange.importing import import_session, inspect
from respell.store.exchange.redaction import REACH, REPLACEMENT, WINDOW, Redaction
from respell.tools.linear_patterns import LinearPattern

SECRET = "hunter2-Übergeheim"
PATTERN = "hunter2-Überg?eheim"

SCRIPT = """
local secret = args[1]
local child = Session.create{name = "of " .. secret, tags = {secret},
    metadata = {[secret] = secret}}
Session.addTag(child, "tag " .. secret)
State.set("key " .. secret, {[secret] = {secret, n = 4111111111111111, f = 1.5}})
State.set("raw", "\\255\\254" .. secret .. "\\0\\255")
Artifact.store(nil, "plain.txt", "my " .. secret .. "!",
    {description = secret, by = secret, tags = {secret, "b"}})
Artifact.store(nil, "file " .. secret .. " 1.txt", "one")
Artifact.store(nil, "file " .. secret .. " 2.txt", "two")
Artifact.store(nil, "table", {[secret] = {secret, bytes = "\\255" .. secret, ["quote\\""] = 1}})
Artifact.store(child, "note.txt", secret)
local gone = Artifact.store(nil, "gone.txt", "gone " .. secret)
Artifact.delete(nil, gone)
Artifact.storeFile(nil, "file.bin")
Artifact.store(nil, "large value", string.rep("x", 100000) .. secret)
local id = Artifact.store(nil, "version.txt", "1 " .. secret)
Artifact.store(nil, "version.txt", "2")
State.set("id", tostring(id))
State.set("hash", id.content_hash)
for line in io.lines("file.bin") do print(#line) break end
print("output " .. secret, input.password)
pcall(error, secret)
print(pcall(State.get, secret, secret, secret, {}))
Logger.info("log " .. secret, {field = secret})
local ok, message = pcall(Artifact.get, nil, secret)
print(message)
Session.updateMetadata(Session.getCurrent(), {note = secret})
Session.suspend{prompt = "why " .. secret, schema = {enum = {secret}}}
error("failed with " .. secret)
"""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "elsewhere", durability="process") as opened:
        yield opened


@pytest.fixture
def told(tmp_path: Path, script: Any) -> SessionRecord:
    """A session that has told a secret to everything it could."""
    noise = bytes(range(256)) * 4096
    # In a piece of 1 MiB, across the border of two, and far behind.
    content = bytearray(noise * 12)
    secret = SECRET.encode()
    for place in (5, (1 << 20) - 3, (4 << 20) - 1, (8 << 20) + 77, len(content) - len(secret)):
        content[place : place + len(secret)] = secret
    (tmp_path / "file.bin").write_bytes(content)
    session: SessionRecord = script(
        f"-- made for {SECRET}\n{SCRIPT}",
        args=(SECRET,), input={"password": SECRET, SECRET: [SECRET]}, name=f"name {SECRET}",
        tags=[SECRET, f"x{SECRET}"],
    ).session  # fmt: skip
    assert session.status == "suspended", session.error
    return session


def all_bytes_of_file(path: Path) -> bytes:
    """All that a file holds, decompressed."""
    parts = [path.read_bytes()]
    with ExportReader(path) as reader:
        for frame in reader.frames():
            parts.append(frame.payload)
            if frame.kind is Kind.BLOB and BLOB_HEAD.unpack_from(frame.payload)[2]:
                parts.append(lz4.frame.decompress(frame.payload[BLOB_HEAD.size :]))
    return b"\n".join(parts)


def all_bytes_of_store(store: Store) -> bytes:
    """All that a store holds, decompressed, with what SQLite keeps of deleted rows."""
    parts = [path.read_bytes() for path in store.path.rglob("*") if path.is_file()]
    for (address,) in store._database.rows("SELECT hash FROM blobs"):
        parts.append(store.blobs.get(address))
    return b"\n".join(parts)


def test_the_secret_is_nowhere(
    tmp_path: Path, store: Store, other: Store, told: SessionRecord
) -> None:
    path = tmp_path / "it"
    export_session(store, told, path)
    secret = SECRET.encode()
    assert secret in all_bytes_of_file(path)
    report = export_session(store, told, path, redact=["nothing like this", PATTERN])
    assert report.redacted
    assert report.redactions > 50
    assert secret not in all_bytes_of_file(path)
    assert b"hunter2" not in all_bytes_of_file(path)
    there = import_session(other, path)
    assert check(other, read_data=True).findings == []
    other.sync()
    assert b"hunter2" not in all_bytes_of_store(other)
    assert inspect(path).redacted
    assert there.redacted
    assert other.history.verify(there.key) == told.records
    # What is left is what was there.
    assert [it.name for it in events(other, there.key)] == [
        it.name for it in events(store, told.key)
    ]
    assert (there.name, there.tags, there.args) == (
        "name [redacted]", ["[redacted]", "x[redacted]"], ["[redacted]"],
    )  # fmt: skip
    assert there.input == {"password": "[redacted]", "[redacted]": ["[redacted]"]}
    assert there.metadata == {"note": "[redacted]"}
    assert there.waiting_for == {"prompt": "why [redacted]", "schema": {"enum": ["[redacted]"]}}
    texts = [it.args["text"] for it in events(other, there.key) if it.kind == "output"]
    assert texts[1] == "output [redacted]\t[redacted]"
    child = other.sessions.find("of [redacted]")
    assert (child.metadata, child.tags, child.redacted) == (
        {"[redacted]": "[redacted]"}, ["[redacted]", "tag [redacted]"], True,
    )  # fmt: skip
    state = {key: values.decode(it) for key, it in other.state.items(f"session:{there.id}")}
    assert state["key [redacted]"] == {
        "[redacted]": {1: "[redacted]", "n": 4111111111111111, "f": 1.5}
    }
    assert state["raw"] == b"\xff\xfe[redacted]\x00\xff"


def test_artifacts_are_redacted_and_addresses_fit_again(
    tmp_path: Path, store: Store, other: Store, told: SessionRecord
) -> None:
    export_session(store, told, tmp_path / "it", redact=[PATTERN])
    there = import_session(other, tmp_path / "it")
    found = {it.name: it for it in other.artifacts.list() if it.session_key == there.key}
    assert other.blobs.get(found["plain.txt"].content_hash) == b"my [redacted]!"
    assert found["plain.txt"].size == len(b"my [redacted]!")
    assert found["plain.txt"].description == "[redacted]"
    assert found["plain.txt"].tags == ["[redacted]", "b"]
    assert found["plain.txt"].custom == {"by": "[redacted]"}
    assert "file [redacted] 1.txt" in found
    assert json.loads(other.blobs.get(found["table"].content_hash)) == {
        "[redacted]": {"$map": [[1, "[redacted]"], ["bytes", {"$bytes": "/1tyZWRhY3RlZF0="}],
                                ['quote"', 1]]}
    }  # fmt: skip
    # Large content, and a match in it that lay across two of its chunks.
    file = b"".join(other.blobs.stream(found["file.bin"].content_hash))
    original = b"".join(
        store.blobs.stream(
            next(it.content_hash for it in store.artifacts.list() if it.name == "file.bin")
        )
    )
    assert file == original.replace(SECRET.encode(), b"[redacted]")
    assert file.count(b"[redacted]") == 5
    # Ids and hashes in recorded values lead to what there is now.
    one, two = other.artifacts.versions(there.key, "version.txt")
    assert two.previous_hash == one.content_hash
    state = {key: values.decode(it) for key, it in other.state.items(f"session:{there.id}")}
    assert other.artifacts.get(state["id"]) == one
    assert state["hash"] == one.content_hash.hex()
    opened = next(it for it in events(other, there.key) if it.name == "file.open")
    assert b"".join(other.blobs.stream(opened.outcome["hash"])) == file
    stored = [it for it in events(other, there.key) if it.name == "artifact.store"]
    for event in stored[1:3]:
        assert other.artifacts.get(event.outcome["id"]).event == event.number
    # Nor does the hash of what was deleted tell anything.
    here, away = (
        it._database.value("SELECT content_hash FROM artifacts WHERE name = 'gone.txt'")
        for it in (store, other)
    )
    assert here != away
    script = other.blobs.get(bytes.fromhex(str(there.script_hash)))
    assert script.startswith(b"-- made for [redacted]\n")


def test_a_redacted_session_is_looked_at_and_compared_but_not_executed(
    tmp_path: Path, store: Store, other: Store, told: SessionRecord
) -> None:
    export_session(store, told, tmp_path / "it", redact=[PATTERN])
    there = import_session(other, tmp_path / "it")
    for action in (
        lambda: respell.resume(there, store=other, value=SECRET),
        lambda: respell.replay(there, store=other),
        lambda: respell.replay(there, store=other, mode="simulate"),
        lambda: respell.fork(there, store=other, at="3"),
    ):
        with pytest.raises(UsageError, match=f"session {there.id[:8]} was redacted when it was"):
            action()
    assert in_doubt(other, there) == []
    assert [it.name for it in other.history.open_effects(there.key)] == ["session.suspend"]
    assert respell.diff(there, there, store=other).identical
    plain = import_session(other, exported_again(tmp_path, store, told, there.id, other))
    difference = respell.diff(plain, plain, store=other)
    assert difference.identical
    # The keys of its JSON form are those of every session.
    shown = session_json(there, running=False, interrupted=False)
    assert shown.keys() == session_json(told, running=False, interrupted=False).keys()
    assert "redacted" not in shown


def exported_again(
    tmp_path: Path, store: Store, session: SessionRecord, ident: str, other: Store
) -> Path:
    """Export the original too, once the redacted one has made room for it."""
    for one in other.sessions.list():
        other.sessions.delete(one.key)
    export_session(store, session, tmp_path / "plain")
    return tmp_path / "plain"


def test_an_export_of_a_redacted_session_is_redacted_too(
    tmp_path: Path, store: Store, other: Store, told: SessionRecord
) -> None:
    export_session(store, told, tmp_path / "it", redact=[PATTERN])
    there = import_session(other, tmp_path / "it")
    assert export_session(other, there, tmp_path / "again").redacted
    with Store(tmp_path / "third", durability="process") as third:
        assert import_session(third, tmp_path / "again").redacted


def test_a_redacted_fork_stands_alone_too(
    tmp_path: Path, store: Store, other: Store, told: SessionRecord
) -> None:
    fork = respell.fork(told, store=store, at=str(told.events - 1), name="a fork")
    export_session(store, fork, tmp_path / "it", redact=[PATTERN])
    assert b"hunter2" not in all_bytes_of_file(tmp_path / "it")
    there = import_session(other, tmp_path / "it")
    assert other.history.verify(there.key) == fork.records


def test_a_redacted_session_that_sleeps_is_never_due(
    tmp_path: Path, store: Store, other: Store
) -> None:
    key = store.sessions.insert(SessionRecord(status="suspended")).key
    sleep = Record(Part.INTENT, 1, ordinal=1, name="timer.sleep", meta=values.encode({"due": 5}))
    store.history.writer(key, store.leases.acquire(key)).append([sleep])
    export_session(store, store.sessions.get(key), tmp_path / "it", redact=["[0-9]+", "due"])
    there = import_session(other, tmp_path / "it")
    assert [it.due for it in other.history.open_effects(there.key)] == [5]
    assert check(other).findings == []
    assert store.history.sessions_due(2**60) == [key]
    assert other.history.sessions_due(2**60) == []


def test_the_command_line_shows_what_was_redacted(tmp_path: Path) -> None:
    run = CommandLine(tmp_path)
    run.script('print("the password is hunter2") State.set("p", "hunter2") Session.suspend()')
    ident = session_of(run("run", "script.lua", code=3))
    run("export", ident, "it", "--redact", "hunter[0-9]", "--redact", "pass(word)")
    other = str(tmp_path / "other")
    run("--store", other, "import", "it")
    assert "the [redacted] is [redacted]" in run("--store", other, "events", ident).out
    assert run("--store", other, "show", ident, "--output").out == "the [redacted] is [redacted]\n"
    run("--store", other, "show", ident)
    for words in (["resume", ident], ["replay", ident], ["fork", ident, "--at", "2"]):
        assert "was redacted" in run("--store", other, *words, code=2).err
    assert run("--store", other, "diff", ident, ident).code == 0
    assert "no regular expression" in run("export", ident, "x", "--redact", "(", code=2).err


# ── patterns ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("(", r"the pattern '\(' is no regular expression: missing \)"),
        ("[a", "unterminated character set"),
        ("a{2,1}", "min repeat greater than max repeat"),
        ("x*", "matches the empty text"),
        ("", "matches the empty text"),
        ("a|", "matches the empty text"),
        ("(?P<n>a)(?P<n>b)", "redefinition"),
    ],
)
def test_a_pattern_that_makes_no_sense_is_refused_before_anything_is_written(
    tmp_path: Path, store: Store, script: Any, pattern: str, words: str
) -> None:
    session = script("print(1)").session
    with pytest.raises(UsageError, match=words):
        export_session(store, session, tmp_path / "it", redact=[pattern])
    assert not (tmp_path / "it").exists()


def test_patterns_are_pythons_own() -> None:
    redaction = Redaction([r"(?i)SECRET", r"(\w)\1{3}", r"(?<=key=)\w+", r"^\d{4}$"])
    assert redaction.text("a Secret secret") == "a [redacted] [redacted]"
    assert redaction.text("baaaa") == "b[redacted]"
    assert redaction.text("key=abc key=") == "key=[redacted] key="
    assert redaction.text("1234") == "[redacted]"
    assert redaction.text("12345") == "12345"
    assert redaction.replaced == 5


def test_patterns_of_scripts_take_linear_time(
    tmp_path: Path, store: Store, other: Store, script: Any
) -> None:
    text = f"""
    print("{"a" * 60}b and hunter2 and hunter3")
    State.set("bytes", "\\255ähunter2\\255")
    Session.export(Session.getCurrent(), "it", {{redact = {{"(a+)+$", "(h)unter[0-9]"}}}})
    print(pcall(Session.export, Session.getCurrent(), "no", {{redact = "x*"}}))
    print(pcall(Session.export, Session.getCurrent(), "no", {{redact = "(?=x)y"}}))
    """
    done = script(text).session
    assert done.status == "completed", done.error
    assert "matches the empty text" in script.lines[1]
    assert "Look-around and back-references are left out" in script.lines[2]
    there = import_session(other, tmp_path / "it")
    outputs = [it.args["text"] for it in events(other, there.key) if it.kind == "output"]
    assert outputs[0] == f"{'a' * 60}b and [redacted] and [redacted]"
    assert other.state.get(f"session:{there.id}", "bytes") == values.encode(
        b"\xff" + "ä[redacted]".encode() + b"\xff"
    )
    assert not (tmp_path / "no").exists()


def test_a_pattern_in_bytes_finds_the_same_in_text_and_in_windows() -> None:
    pattern = LinearPattern("redact", "[äb]+x")
    text = "bäx ä\udcffbx bbbb äx"
    assert Redaction([pattern]).text(text) == "[redacted] ä\udcff[redacted] bbbb [redacted]"
    content = text.encode(errors="surrogateescape") * 10
    pieces = [content[at : at + 7] for at in range(0, len(content), 7)]
    assert b"".join(Redaction([pattern]).stream(pieces)) == Redaction([pattern]).content(content)


def test_numbers_are_replaced_as_a_whole() -> None:
    redaction = Redaction([r"4111\d+", r"^2\.5"])
    assert redaction.value([4111111111111111, 2.5, 41, True, None]) == [
        REPLACEMENT, REPLACEMENT, 41, True, None,
    ]  # fmt: skip
    assert redaction.value({41110: 1, 5: 2}) == {REPLACEMENT: 1, 5: 2}


def test_keys_that_become_the_same_stay_apart() -> None:
    redaction = Redaction(["secret[0-9]"])
    made = redaction.value({"secret1": 1, "secret2": 2, "[redacted]": 3, "x": {"secret3": 4}})
    assert sorted(made.values(), key=repr) == [1, 2, 3, {"[redacted]": 4}]
    assert len(made) == 4
    made = redaction.value({b"\xffsecret1": 1, b"\xffsecret2": 2})
    assert sorted(made.values()) == [1, 2]


def test_what_does_not_match_keeps_its_bytes() -> None:
    redaction = Redaction(["nowhere"])
    for data in (
        b"",
        values.encode({"a": [1, 2.0, float("nan"), b"\xff", {1: True}]}),
        b"\xc1 no value",
        b"\xdf\x00\x00\x00\x01\xa1a\x01",  # longer than it need be
    ):
        assert redaction.encoded(data) == data
    deep = b"\x91" * 400 + b"\xa7nowhere"
    assert b"nowhere" not in redaction.encoded(deep)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_long_content_is_redacted_as_if_it_were_read_at_once(data: st.DataObject) -> None:
    """With windows of a few bytes in the place of MiB."""
    import respell.store.exchange.redaction as module

    text = data.draw(st.text("abßс-x\n", max_size=120))
    content = text.encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(content)), max_size=6)))
    pieces = [content[a:b] for a, b in zip([0, *cuts], [*cuts, len(content)], strict=True)]
    pattern = data.draw(st.sampled_from(["ab+", "[aß]{2}", "(?<=a)b", "с.x", "x$", "^a", r"\bb"]))
    was = module.WINDOW, module.REACH, module._CONTEXT
    module.WINDOW, module.REACH, module._CONTEXT = 7, 300, 8
    try:
        made = b"".join(Redaction([pattern]).stream(pieces))
        module.REACH = 12
        short = b"".join(Redaction(["[aß]{2}"]).stream(pieces))
    finally:
        module.WINDOW, module.REACH, module._CONTEXT = was
    assert made == Redaction([pattern]).content(content)
    assert short == Redaction(["[aß]{2}"]).content(content)


def test_ids_stay_even_where_a_pattern_would_match_them(
    tmp_path: Path, store: Store, other: Store, told: SessionRecord
) -> None:
    """Else the sessions it created would not belong to it any more, and nobody could import it."""
    for number, pattern in enumerate((r"[0-9a-f]{8}", r"\d{4}", r"-")):
        export_session(store, told, tmp_path / f"{number}", redact=[pattern])
        with Store(tmp_path / f"store {number}", durability="process") as there:
            import_session(there, tmp_path / f"{number}")
            ids = {(it.id, it.created_by, it.parent_session_id) for it in there.sessions.list()}
        assert ids == {(it.id, it.created_by, it.parent_session_id) for it in store.sessions.list()}


def test_limits_keep_their_names(tmp_path: Path, store: Store, other: Store) -> None:
    limits = {"tokens": 5, "rate": {"tokens": 2, "mock": 1.5}}
    session = store.sessions.insert(SessionRecord(limits=limits))
    export_session(store, session, tmp_path / "it", redact=["tokens"])
    there = import_session(other, tmp_path / "it")
    assert there.limits == {"tokens": 5, "rate": {REPLACEMENT: "2/min", "mock": "1.5/min"}}


def test_windows_are_larger_than_what_tests_find_in_them() -> None:
    assert WINDOW >= 1 << 20
    assert REACH >= 1 << 20


def test_no_frame_of_a_redacted_export_tells_what_it_was(
    tmp_path: Path, store: Store, told: SessionRecord
) -> None:
    """The hash chain is over what is there, and no old hash is left."""
    export_session(store, told, tmp_path / "it", redact=[PATTERN])
    content = all_bytes_of_file(tmp_path / "it")
    assert told.head_hash not in content
    deleted = store._database.value("SELECT content_hash FROM artifacts WHERE deleted")
    assert deleted == blake3(f"gone {SECRET}".encode()).digest()
    for old in (deleted, *(it.content_hash for it in store.artifacts.list())):
        if SECRET.encode() in store.blobs.get(old):
            assert old not in content
            # Eight digits, as in ids of artifacts, are enough to guess a short secret by.
            assert b"/" + old.hex()[:8].encode() not in content
            assert old.hex().encode() not in content
    with ExportReader(tmp_path / "it") as reader:
        about = next(reader.frames())
    assert msgpack.unpackb(about.payload)["redacted"] is True

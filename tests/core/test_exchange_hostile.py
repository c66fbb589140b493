"""Files that were cut, changed, or made to do harm: refused, and nothing has changed."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import lz4.frame
import msgpack
import pytest
from blake3 import blake3
from hypothesis import HealthCheck, given, settings

import respell
from respell import values
from respell.errors import (
    RespellError,
    SessionBusy,
    StoreCorrupt,
    StoreFull,
    StoreTooNew,
    UsageError,
)
from respell.history.record import FIRST_HASH, Part, Record, Status, chain
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.store.care.collecting import collect
from respell.store.exchange.export_blobs import BLOB_HEAD
from respell.store.exchange.exporting import export_session
from respell.store.exchange.file import ExportReader, ExportWriter, Kind, start_of_file
from respell.store.exchange.importing import import_session, inspect
from store_children import begin, effect

SCRIPT = """
Session.create{name = "child", metadata = {a = 1}}
Artifact.store(nil, "small.txt", "small", {tags = {"a"}, by = "me"})
Artifact.store(nil, "large.txt", string.rep("0123456789abcdef", 5000))
Artifact.store(nil, "huge.txt", string.rep("0123456789abcdef", 600000))
State.set("k", {1, 2, x = "y"})
print("out")
Session.suspend{prompt = "more?"}
"""

Frames = list[tuple[Kind, bytes]]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One exported session with a bit of everything."""
    folder = tmp_path_factory.mktemp("exported")
    (folder / "main.lua").write_text(SCRIPT)
    with Store(folder / "store", durability="process") as store:
        session = respell.run(folder / "main.lua", store=store).session
        assert session.status == "suspended", session.error
        export_session(store, session, folder / "it")
    return folder / "it"


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "other", durability="process") as opened:
        yield opened


def frames_of(path: Path) -> Frames:
    with ExportReader(path) as reader:
        return [(frame.kind, frame.payload) for frame in reader.frames()]


def write(path: Path, frames: Frames, **counts: int) -> Path:
    """Write frames with hashes that fit, as somebody would who means harm.

    Args:
        path: The file.
        frames: All frames.
        counts: What the last one is to say of how much there is.
    """
    with path.open("wb") as file:
        writer = ExportWriter(file)
        for kind, payload in frames:
            if kind is Kind.END and counts:
                writer.pack(kind, msgpack.unpackb(payload) | counts)
            else:
                writer.frame(kind, payload)
    return path


def blobs_in(frames: Frames) -> int:
    return sum(kind in (Kind.BLOB, Kind.LIST) for kind, _ in frames)


def rows(store: Store) -> dict[str, int]:
    """How much there is in every table that sessions are in."""
    tables = ("sessions", "records", "state", "artifacts", "blob_refs", "open_effects",
              "session_inputs", "artifact_tags", "audit")  # fmt: skip
    return {it: store._database.value(f"SELECT count(*) FROM {it}") for it in tables}


def refused(store: Store, path: Path, match: str, kind: type[Exception] = StoreCorrupt) -> None:
    """Import a file and make sure that it is refused and leaves no trace."""
    before = rows(store)
    with pytest.raises(kind, match=match):
        import_session(store, path)
    assert rows(store) == before


# ── damage ───────────────────────────────────────────────────────────────────────────────


def test_what_is_no_export_is_refused(tmp_path: Path, other: Store, exported: Path) -> None:
    for name, content in (("empty", b""), ("text", b"hello\n"), ("short", b"RESPELL EXP")):
        (tmp_path / name).write_bytes(content)
        refused(other, tmp_path / name, "is no exported session; give a file", UsageError)
    refused(other, tmp_path / "none", "can't read .*/none: No such file", UsageError)
    refused(other, tmp_path, "is not a file", UsageError)
    fifo = tmp_path / "fifo"
    subprocess.run(["mkfifo", fifo], check=True)
    refused(other, fifo, "is not a file", UsageError)


def test_a_newer_format_is_refused(tmp_path: Path, other: Store, exported: Path) -> None:
    content = exported.read_bytes()
    start = start_of_file()
    (tmp_path / "new").write_bytes(start_of_file(7) + content[len(start) :])
    refused(other, tmp_path / "new", r"its format is 7, .*upgrade Respell", StoreTooNew)


def test_a_file_that_was_cut_is_refused_wherever_that_was(
    tmp_path: Path, other: Store, exported: Path
) -> None:
    content = exported.read_bytes()
    places = {*range(16, 60), len(content) - 1, len(content) - 33, len(content) // 2}
    places |= set(random.Random(1).sample(range(len(content)), 30))
    for place in sorted(places):
        (tmp_path / "cut").write_bytes(content[:place])
        refused(other, tmp_path / "cut", r"is damaged at (frame \d+, which begins at )?byte \d+")
    (tmp_path / "more").write_bytes(content + b"x")
    refused(other, tmp_path / "more", "1 bytes follow it")


def test_one_flipped_bit_is_noticed_and_its_place_named(
    tmp_path: Path, other: Store, exported: Path
) -> None:
    content = exported.read_bytes()
    with ExportReader(exported) as reader:
        begins = [frame.at for frame in reader.frames()]
    places = {*range(15, 30), *begins, *(at + 3 for at in begins), len(content) - 1}
    places |= set(random.Random(2).sample(range(15, len(content)), 60))
    for place in sorted(places):
        changed = bytearray(content)
        changed[place] ^= 1 << place % 8
        (tmp_path / "flipped").write_bytes(changed)
        at = max((at for at in begins if at <= place), default=0)
        refused(other, tmp_path / "flipped", rf"byte {at}\b")
    import_session(other, exported)


def test_frames_that_were_moved_or_left_out_are_noticed(
    tmp_path: Path, other: Store, exported: Path
) -> None:
    content = exported.read_bytes()
    with ExportReader(exported) as reader:
        begins = [frame.at for frame in reader.frames()]
    second, third, fourth = begins[1:4]
    (tmp_path / "less").write_bytes(content[:second] + content[third:])
    refused(other, tmp_path / "less", "it is not what was written")
    swapped = content[:second] + content[third:fourth] + content[second:third] + content[fourth:]
    (tmp_path / "swapped").write_bytes(swapped)
    refused(other, tmp_path / "swapped", "it is not what was written")


# ── harm ─────────────────────────────────────────────────────────────────────────────────


def changed(exported: Path, path: Path, change: Callable[[Kind, bytes], bytes | None]) -> Path:
    """Write the export with other payloads; None leaves a frame out."""
    made: Frames = []
    for kind, payload in frames_of(exported):
        new = change(kind, payload)
        if new is not None:
            made.append((kind, new))
    return write(path, made)


def edited(kind: Kind, edit: Callable[[Any], Any]) -> Callable[[Kind, bytes], bytes]:
    """Return what changes the value in all frames of a kind."""

    def change(found: Kind, payload: bytes) -> bytes:
        if found is not kind:
            return payload
        value = msgpack.unpackb(payload)
        edit(value)
        packed: bytes = msgpack.packb(value)
        return packed

    return change


def set_to(name: str, value: object) -> Callable[[Any], Any]:
    def edit(columns: Any) -> None:
        columns[name] = value

    return edit


def column(index: int, value: object) -> Callable[[Any], Any]:
    def edit(rows: Any) -> None:
        rows[0][index] = value

    return edit


DEEP = b"\x91" * 100_000 + b"\xc0"

SESSION_LIES = [
    set_to("id", "../../etc/passwd"),
    set_to("id", "x"),
    set_to("status", "running"),
    set_to("status", None),
    set_to("created_at", -1),
    set_to("created_at", 2**63),
    set_to("updated_at", "now"),
    set_to("ended_at", 2**62),
    set_to("tags", "[1]"),
    set_to("tags", "no json"),
    set_to("args", "[" * 100_000),
    set_to("limits", '{"tokens": NaN}'),
    set_to("limits", '{"tokens": "many"}'),
    set_to("limits", '{"artifacts": {"x": 1}}'),
    set_to("limits", '{"artifacts": -5}'),
    set_to("limits", '{"nonsense": 1}'),
    set_to("limits", '{"rate": {"mock": -1}}'),
    set_to("limits", '["rate"]'),
    set_to("tags", '["\\ud800"]'),
    set_to("usage", '{"operations": -1}'),
    set_to("usage", "[]"),
    set_to("metadata", values.encode([1])),
    set_to("metadata", DEEP),
    set_to("metadata", b"\xc1"),
    set_to("input", b"\xd9\xffcut"),
    set_to("waiting_for", b"\x01"),
    set_to("error", values.encode({"message": {"a": 1}})),
    set_to("script_hash", "00" * 32),
    set_to("script_hash", None),
    set_to("forked_at", "12"),
    set_to("sequence", -1),
    set_to("more", 1),
    lambda columns: columns.pop("name"),
]


@pytest.mark.parametrize("lie", SESSION_LIES)
def test_a_session_that_can_not_be_is_refused(
    tmp_path: Path, other: Store, exported: Path, lie: Callable[[Any], Any]
) -> None:
    path = changed(exported, tmp_path / "it", edited(Kind.SESSION, lie))
    refused(other, path, r"frame \d+, which begins at byte \d+: session: ")


ARTIFACT_LIES = [
    column(0, 0),
    column(0, 10**6),
    column(1, "../../up"),
    column(1, ""),
    column(1, "a\x1b[2J"),
    column(2, 0),
    column(3, b"short"),
    column(3, bytes(32)),
    column(4, b""),
    column(5, "Not A Type"),
    column(6, "text"),
    column(7, 10**6),
    column(9, '["' + "t" * 100 + '"]'),
    column(9, '["\\ud800"]'),
    column(10, b"\x81\x01\x02"),
    column(11, 2),
    column(16, None),
    lambda rows: rows.append(rows[0]),
    lambda rows: rows[0].pop(),
    lambda rows: rows.__setitem__(0, "row"),
]


@pytest.mark.parametrize("lie", ARTIFACT_LIES)
def test_an_artifact_that_can_not_be_is_refused(
    tmp_path: Path, other: Store, exported: Path, lie: Callable[[Any], Any]
) -> None:
    path = changed(exported, tmp_path / "it", edited(Kind.ARTIFACTS, lie))
    refused(other, path, "artifacts: ")


@pytest.mark.parametrize(
    "lie",
    [
        column(0, "global"),
        column(0, "loaded"),
        column(1, 7),
        column(2, b"\xc1"),
        column(3, -5),
        lambda rows: rows.append(rows[0]),
    ],
)
def test_state_that_can_not_be_is_refused(
    tmp_path: Path, other: Store, exported: Path, lie: Callable[[Any], Any]
) -> None:
    path = changed(exported, tmp_path / "it", edited(Kind.STATE, lie))
    refused(other, path, "state: ")


def body_of(number: int, **fields: Any) -> bytes:
    return effect(number, **fields).pack()


def intent(number: int, due: object) -> bytes:
    meta: bytes = msgpack.packb({"due": due})
    return Record(Part.INTENT, number, name="x", meta=meta).pack()


RECORD_LIES = [
    column(1, b""),
    column(1, b"\xff" * 60),
    column(1, body_of(7)),
    column(1, body_of(0)),
    column(1, Record(Part.NOTE, 1, name="other.start", status=Status.OK).pack()),
    column(0, b"\x01" + bytes(32)),
    column(0, b"\x01"),
    column(0, b"\x09" + bytes(64)),
    lambda rows: rows.pop(),
    lambda rows: rows.reverse(),
    lambda rows: rows.append([None, body_of(1, outcome=b"\xc3")]),
    lambda rows: rows.append([None, Record(Part.INTENT, 1, name="x", meta=b"\x91\x01").pack()]),
    lambda rows: rows.append([None, intent(1, due=2**64 - 1)]),
    lambda rows: rows.append([None, intent(1, due=-1)]),
    lambda rows: rows.append([None, intent(1, due="soon")]),
    lambda rows: rows.append("row"),
]


@pytest.mark.parametrize("lie", RECORD_LIES)
def test_a_history_that_can_not_be_is_refused(
    tmp_path: Path, other: Store, exported: Path, lie: Callable[[Any], Any]
) -> None:
    path = changed(exported, tmp_path / "it", edited(Kind.RECORDS, lie))
    refused(other, path, "(records|head|end): ")


def test_a_history_whose_hashes_fit_and_that_begins_otherwise_is_refused(
    tmp_path: Path, other: Store, exported: Path
) -> None:
    starts = (
        Record(Part.NOTE, 1, name="other.start", status=Status.OK),
        Record(Part.NOTE, 1, name="lifecycle.start", status=Status.OK),
        Record(Part.NOTE, 1, name="lifecycle.start", status=Status.OK,
               args=values.encode({"permissions": {"script_dir": 1}})),
    )  # fmt: skip
    for start in starts:
        body = start.pack()
        made = []
        for kind, payload in frames_of(exported):
            if kind is Kind.RECORDS:
                payload = msgpack.packb([[None, body]])
            if kind is Kind.HEAD and msgpack.unpackb(payload)["records"]:
                head = {"records": 1, "events": 1, "head_hash": chain(FIRST_HASH, body)}
                payload = msgpack.packb(head)
            made.append((kind, payload))
        refused(other, write(tmp_path / "it", made, records=1), "head: ")


def blob(content: bytes, *, size: int | None = None, codec: int = 0, address: bytes = b"") -> bytes:
    stored = lz4.frame.compress(content) if codec == 1 else content
    head = BLOB_HEAD.pack(
        address or blake3(content).digest(), len(content) if size is None else size, codec
    )
    return head + stored


FRAME_LIES = {
    "another address": (Kind.BLOB, blob(b"a", address=bytes(32)), "does not fit its address"),
    "another size": (Kind.BLOB, blob(b"a", size=2), "does not have 2 bytes"),
    "no codec": (Kind.BLOB, blob(b"a" * 10, codec=7), "no codec 7"),
    "too large": (Kind.BLOB, blob(b"", size=9 << 20), "has to be a list of chunks"),
    "bomb": (Kind.BLOB, blob(bytes(500 << 20), size=100, codec=1), "does not have 100 bytes"),
    "no lz4": (
        Kind.BLOB,
        BLOB_HEAD.pack(bytes(32), 5, 1) + b"this is no lz4 at all",
        "can't be decompressed",
    ),
    "more": (Kind.BLOB, blob(b"z" * 99, codec=1) + b"more", "bytes follow the compressed"),
    "short": (Kind.BLOB, b"short", "blob: "),
    "no chunks": (Kind.LIST, BLOB_HEAD.pack(bytes(32), 5, 0) + bytes(32), "is not in the file"),
    "empty list": (Kind.LIST, BLOB_HEAD.pack(bytes(32), 0, 0), "don't add up"),
    "cut list": (Kind.LIST, BLOB_HEAD.pack(bytes(32), 5, 0) + b"cut", "cut"),
    "no such blob": (Kind.REFS, bytes(32), "is not in the file"),
    "homeless state": (Kind.STATE, b"\x90", "belongs to no session"),
    "homeless head": (Kind.HEAD, b"\x80", "belongs to no session"),
    "two beginnings": (Kind.ABOUT, b"\x80", "begins with one frame"),
    "no session": (Kind.SESSION, b"\xc1", "session: "),
    "deep": (Kind.SESSION, DEEP, "session: "),
    "two ends": (Kind.END, msgpack.packb({"sessions": 9}), "not in it"),
}


@pytest.mark.parametrize("lie", FRAME_LIES)
def test_a_frame_that_lies_is_refused(
    tmp_path: Path, other: Store, exported: Path, lie: str
) -> None:
    kind, payload, match = FRAME_LIES[lie]
    frames = frames_of(exported)
    place = 2
    if kind is Kind.REFS:
        place = next(at for at, (it, _) in enumerate(frames) if it is Kind.HEAD)
    frames.insert(place, (kind, payload))
    refused(other, write(tmp_path / "it", frames, blobs=blobs_in(frames)), match)


def test_a_list_whose_chunks_are_another_content_is_refused(
    tmp_path: Path, other: Store, exported: Path
) -> None:
    """Else a file could put its own bytes in the place of content that is stored later."""

    real = blake3(b"0123456789abcdef" * 600_000).digest()
    wanted = blake3(b"what a session of mine will store").digest()
    frames = [(kind, payload.replace(real, wanted)) for kind, payload in frames_of(exported)]
    assert frames != frames_of(exported)
    refused(other, write(tmp_path / "it", frames), f"{wanted.hex()} does not fit its address")
    assert wanted not in other.blobs


@pytest.mark.parametrize(
    "bomb",
    [
        b"\xdd" + (24 << 20).to_bytes(4, "big") + b"\x90" * (24 << 20),
        (b"\xdc" + (2000).to_bytes(2, "big")) * 2 + b"\x90" * 4_000_000,
        (b"\xdc" + (2000).to_bytes(2, "big") + b"\x90" * 2000) * 2000,
    ],
    ids=["one list", "cut", "lists of lists"],
)
def test_a_frame_of_empty_lists_takes_little_memory(tmp_path: Path, bomb: bytes) -> None:
    about = {"respell": "1", "exported_at": 1, "session_id": "x", "redacted": False}
    path = write(tmp_path / "it", [(Kind.ABOUT, msgpack.packb(about)), (Kind.SESSION, bomb)])
    tracemalloc.start()
    try:
        with pytest.raises(StoreCorrupt, match="session: "):
            inspect(path)
        assert tracemalloc.get_traced_memory()[1] < 3 * len(bomb)
    finally:
        tracemalloc.stop()


def test_inspecting_a_file_verifies_its_content(tmp_path: Path, exported: Path) -> None:
    def forged(kind: Kind, payload: bytes) -> bytes:
        return payload[:-1] + b"!" if kind is Kind.BLOB else payload

    with pytest.raises(StoreCorrupt, match="blob: "):
        inspect(changed(exported, tmp_path / "it", forged))


def test_a_second_program_can_not_be_smuggled_in(
    tmp_path: Path, other: Store, exported: Path
) -> None:
    frames = frames_of(exported)
    session = next(
        payload for kind, payload in frames
        if kind is Kind.SESSION and msgpack.unpackb(payload)["script"] is not None
    )  # fmt: skip
    columns = msgpack.unpackb(session)
    columns["id"] = columns["id"][:-1] + ("0" if columns["id"][-1] != "0" else "1")
    place = next(at for at, (kind, _) in enumerate(frames) if kind is Kind.SESSION)
    more = [(Kind.SESSION, msgpack.packb(columns))]
    path = write(tmp_path / "it", [*frames[:place], *more, *frames[place:]])
    refused(other, path, "has a program of its own")
    columns |= {"script": None, "script_hash": None, "created_by": "somebody"}
    head = msgpack.packb({"records": 0, "events": 0, "head_hash": FIRST_HASH})
    more = [(Kind.SESSION, msgpack.packb(columns)), (Kind.HEAD, head)]
    path = write(tmp_path / "it", [*frames[:place], *more, *frames[place:]])
    refused(other, path, "does not belong to the others")


def test_a_frame_that_says_it_is_longer_than_the_file_allocates_nothing(
    tmp_path: Path, other: Store, exported: Path
) -> None:
    content = exported.read_bytes()
    at = len(start_of_file())
    path = tmp_path / "it"
    path.write_bytes(content[:at] + b"\x04\xff\xff\xff\xff" + content[at + 5 :])
    refused(other, path, r"should reach to byte \d+")
    path.write_bytes(content[:at] + b"\x04\xff\xff\xff\x0f" + content[at + 5 :])
    with path.open("r+b") as file:
        file.truncate(1 << 33)  # it has holes: takes no space
    started = time.monotonic()
    refused(other, path, "it is not what was written|has kind")
    assert time.monotonic() - started < 20


@settings(max_examples=150, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(data=st.data())
def test_whatever_is_changed_it_is_imported_whole_or_refused(
    tmp_path: Path, other: Store, exported: Path, data: st.DataObject
) -> None:
    """Any change of any payload, with hashes made to fit."""
    frames = frames_of(exported)
    small = [at for at, (_, payload) in enumerate(frames) if len(payload) < 100_000]
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.sampled_from(small))
        kind, payload = frames[at]
        changed = bytearray(payload)
        place = data.draw(st.integers(0, len(payload) - 1))
        changed[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
        frames[at] = (kind, bytes(changed))
    path = write(tmp_path / "it", frames)
    before = rows(other)
    try:
        session = import_session(other, path)
    except RespellError:
        assert rows(other) == before
        return
    # It may be another session now, but one that is whole, and can be looked at.
    assert other.history.verify(session.key) == session.records
    list(respell.events(session, store=other))
    for artifact in other.artifacts.list():
        other.blobs.get(artifact.content_hash)
    with suppress(RespellError):
        respell.replay(session, store=other)
    for one in other.sessions.list():
        other.sessions.delete(one.key)
    other._database.write("DELETE FROM audit")


# ── cut short ────────────────────────────────────────────────────────────────────────────


def many_records(folder: Path, count: int) -> Path:
    """Export a session with many records."""
    with Store(folder / "many", durability="process") as store:
        key = store.sessions.insert(SessionRecord(name="many")).key
        writer = store.history.writer(key, store.leases.acquire(key))
        for first in range(1, count + 1, 5000):
            writer.append(
                [effect(n, args=values.encode({"n": n})) for n in range(first, first + 5000)]
            )
        export_session(store, store.sessions.get(key), folder / "many.export")
    return folder / "many.export"


def import_until_told(pipe: Any, store: Path, path: Path, at: float) -> None:
    """Import, and stop for ever once so much of it is done."""

    def wait(done: int, total: int) -> None:
        if done >= at * total:
            pipe.send("there")
            pipe.recv()

    with Store(store, durability="process") as opened:
        import_session(opened, path, on_progress=wait)


@pytest.mark.parametrize("at", [0.3, 0.6, 0.8, 0.97])
def test_a_process_that_dies_in_the_middle_leaves_nothing_to_see(
    tmp_path: Path, other: Store, at: float
) -> None:
    path = many_records(tmp_path, 20_000)
    process, pipe = begin(import_until_told, other.path, path, at)
    assert pipe.poll(60)
    pipe.recv()
    session_id = inspect(path).session.id
    assert other.sessions.list() == []
    if at > 0.55:
        with pytest.raises(SessionBusy, match=f"{session_id} is just being imported by process"):
            import_session(other, path)
        collect(other, grace_s=0)
        assert other._database.value("SELECT count(*) FROM sessions") == 1
    process.kill()
    process.join()
    assert other.sessions.count() == 0
    if at == 0.8:
        collect(other, grace_s=0)
        assert not any(rows(other).values())
    imported = import_session(other, path)
    assert imported.id == session_id
    assert other.history.verify(imported.key) == 20_000
    assert other._database.value("SELECT count(*) FROM sessions") == 1


def test_an_import_that_is_interrupted_takes_back_what_it_did(tmp_path: Path, other: Store) -> None:
    path = many_records(tmp_path, 20_000)

    def interrupt(done: int, total: int) -> None:
        if done > 0.8 * total:
            raise KeyboardInterrupt

    before = rows(other)
    with pytest.raises(KeyboardInterrupt):
        import_session(other, path, on_progress=interrupt)
    assert rows(other) == before
    import_session(other, path)


def test_others_go_on_writing_while_a_long_history_is_imported(
    tmp_path: Path, other: Store
) -> None:
    path = many_records(tmp_path, 60_000)
    waits: list[float] = []
    done = threading.Event()

    def write_on() -> None:
        with Store(other.path, durability="process") as second:
            while not done.is_set():
                begun = time.monotonic()
                second.state.set("global", "k", b"\x01")
                waits.append(time.monotonic() - begun)

    thread = threading.Thread(target=write_on)
    thread.start()
    try:
        import_session(other, path)
    finally:
        done.set()
        thread.join()
    assert len(waits) > 20
    assert max(waits) < 1.0


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MiB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, check=False).returncode:
        pytest.skip("can't mount a small file system here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def noisy(folder: Path, megabytes: int) -> tuple[Store, SessionRecord]:
    """A session with an artifact that can't be compressed."""
    (folder / "main.lua").write_text('Artifact.storeFile(nil, "noise.bin")')
    (folder / "noise.bin").write_bytes(random.Random(3).randbytes(megabytes << 20))
    store = Store(folder / "noisy", durability="process")
    return store, respell.run(folder / "main.lua", store=store).session


def test_no_space_for_the_file(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store, session = noisy(tmp_path, 20)
    with (
        store,
        pytest.raises(StoreFull, match=r"no space left to write .*/it; nothing was written"),
    ):
        export_session(store, session, tiny / "it")
    assert list(tiny.iterdir()) == []


def test_no_space_in_the_store(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store, session = noisy(tmp_path, 20)
    with store:
        export_session(store, session, tmp_path / "it")
    with Store(tiny / "store", durability="process") as full:
        before = rows(full)
        with pytest.raises(StoreFull, match=r"it takes about 3. MiB, and .* MiB are free"):
            import_session(full, tmp_path / "it")
        assert rows(full) == before
        # What free space says may not be true for long.
        monkeypatch.setattr(
            shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(1, 0, 2**40)
        )
        with pytest.raises(StoreFull):
            import_session(full, tmp_path / "it")
        monkeypatch.undo()
        assert full.sessions.list() == []


def test_a_pattern_that_takes_for_ever_can_be_interrupted(tmp_path: Path) -> None:
    code = f"""
import respell
from pathlib import Path
from respell.store import Store
from respell.store.exchange.exporting import export_session
with Store({str(tmp_path / "store")!r}, durability="process") as store:
    session = respell.run({str(tmp_path / "main.lua")!r}, store=store).session
    print("exporting", flush=True)
    export_session(store, session, Path({str(tmp_path / "it")!r}), redact=["(a+)+$"])
"""
    (tmp_path / "main.lua").write_text(f'print("{"a" * 60}b")')
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "exporting\n"
    deadline = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < deadline:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(0.5)
        except subprocess.TimeoutExpired:
            continue
    process.kill()  # does nothing to one that has ended
    _, words = process.communicate()
    assert "KeyboardInterrupt" in words
    assert not (tmp_path / "it").exists()
    assert [it.name for it in tmp_path.iterdir() if it.name.startswith(".respell")] == []

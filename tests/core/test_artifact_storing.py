"""Artifacts as programs store, read, derive, verify and delete them."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

import apsw
import lz4.frame
import pytest
from blake3 import blake3

from respell.artifacts import reading, storing
from respell.artifacts.record import ArtifactQuery, ArtifactRecord
from respell.artifacts.storing import Content
from respell.errors import (
    ArtifactNotFound,
    InvalidTransition,
    LimitReached,
    NotFound,
    StoreCorrupt,
    UsageError,
)
from respell.sessions.record import SessionRecord
from respell.store import Store
from respell.store.care.checking import check
from respell.store.care.collecting import collect

MIB = 1024 * 1024
TEXT = b"a line that can be compressed\n" * 2000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store", durability="process") as opened:
        yield opened


@pytest.fixture
def session(store: Store) -> SessionRecord:
    return store.sessions.insert(SessionRecord(name="work"))


def keep(
    store: Store, session: SessionRecord, name: str = "a.txt", content: Content = "hello",
    **fields: Any,
) -> ArtifactRecord:  # fmt: skip
    return storing.store_artifact(store, session, name, content, **fields)


def used(store: Store, session: SessionRecord) -> tuple[int, int]:
    """How many artifacts and bytes a session is said to have."""
    now = store.sessions.get(session.key)
    return now.artifacts, now.usage["artifact_bytes"]


# What other stores of artifacts got wrong ------------------------------------------------


def test_content_is_compressed_where_it_helps_and_reads_back(
    store: Store, session: SessionRecord
) -> None:
    text, noise = keep(store, session, "a", TEXT), keep(store, session, "b", os.urandom(60_000))
    assert (text.is_compressed, noise.is_compressed) == (True, False)
    assert text.stored_size < len(TEXT) / 20
    assert text.size == len(TEXT)
    assert reading.read(store, text) == TEXT


def test_what_was_compressed_already_is_kept_as_it_is(store: Store, session: SessionRecord) -> None:
    packed = lz4.frame.compress(os.urandom(50_000))
    record = keep(store, session, "a.lz4", packed)
    assert not record.is_compressed
    assert reading.read(store, record) == packed


def test_the_same_content_under_two_names_is_two_artifacts_and_one_blob(
    store: Store, session: SessionRecord
) -> None:
    first = keep(store, session, "a", TEXT, description="first", tags=["x"])
    second = keep(store, session, "b", TEXT, description="second")
    assert first.content_hash == second.content_hash
    assert first.id != second.id
    assert (first.version, second.version) == (1, 1)
    assert store.artifacts.get(first.id) == first
    assert store.artifacts.get(second.id) == second
    assert [it.name for it in store.artifacts.list()] == ["b", "a"]


def test_a_deleted_artifact_can_not_be_read_though_its_content_is_shared(
    store: Store, session: SessionRecord
) -> None:
    first, second = keep(store, session, "a", TEXT), keep(store, session, "b", TEXT)
    reading.read(store, first)
    storing.delete(store, first)
    with pytest.raises(ArtifactNotFound, match="any more"):
        store.artifacts.get(first.id)
    assert reading.read(store, second) == TEXT


def test_deleting_twice_is_an_error_and_counts_once(store: Store, session: SessionRecord) -> None:
    record = keep(store, session)
    keep(store, session, "b", "12345678")
    assert used(store, session) == (2, 13)
    storing.delete(store, record)
    with pytest.raises(ArtifactNotFound):
        storing.delete(store, record)
    assert used(store, session) == (1, 8)


def test_custom_fields_of_every_kind_survive_many_artifacts_and_a_restart(
    tmp_path: Path,
) -> None:
    custom = {"text": "ä", "list": [1, 2.5, {"deep": True}], "bytes": b"\xff", "large": 2**62}
    with Store(tmp_path / "store", durability="process") as store:
        session = store.sessions.insert(SessionRecord())
        for number in range(150):
            keep(store, session, f"{number}", f"{number}", custom={**custom, "number": number})
    with Store(tmp_path / "store") as store:
        found = store.artifacts.list(ArtifactQuery(desc=False))
        assert [it.custom for it in found] == [{**custom, "number": n} for n in range(150)]
        assert [reading.read(store, it) for it in found] == [b"%d" % n for n in range(150)]


def test_shared_content_survives_a_restart_a_delete_and_the_collector(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        one, two = (store.sessions.insert(SessionRecord()) for _ in "ab")
        first = keep(store, one, "a", os.urandom(300_000))
        second = keep(store, two, "b", reading.read(store, first))
    day = 86_400 * 1_000_000
    with Store(tmp_path / "store", clock=lambda: 10**16 + 3 * day) as store:
        storing.delete(store, first)
        assert collect(store, grace_s=0).blobs == 0
        reading.verify(store, second)
        storing.delete(store, second)
        assert collect(store, grace_s=0).blobs == 1
        with pytest.raises(NotFound):
            reading.read(store, second)


def test_a_session_takes_its_artifacts_with_it(store: Store, session: SessionRecord) -> None:
    record = keep(store, session, tags=["t"])
    other = keep(store, store.sessions.insert(SessionRecord()), "a.txt", "hello")
    store.sessions.delete(session.key)
    with pytest.raises(ArtifactNotFound):
        store.artifacts.get(record.id)
    assert store.artifacts.list() == [other]
    assert reading.read(store, other) == b"hello"


NAMES = ["../../etc/passwd", "/etc/passwd", "a/b", "a\\b", "..", "a..b", "a\x00b", "a\nb",
         "\x1b[2J", "a\u2028b", "", "x" * 256, "ä" * 128, "\ud800"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_names_that_could_be_paths_or_harm_a_terminal_are_refused(
    store: Store, session: SessionRecord, name: str
) -> None:
    with pytest.raises(UsageError, match="name must"):
        keep(store, session, name)
    assert used(store, session) == (0, 0)


@pytest.mark.parametrize(
    "name", ["größe.txt", "日本語", "🦊 fox", "a b", ".", "-rf", "x" * 255, "%2e%2e"]
)
def test_names_of_all_languages_are_fine(store: Store, session: SessionRecord, name: str) -> None:
    record = keep(store, session, name)
    assert store.artifacts.list(ArtifactQuery(name=name)) == [record]
    assert store.artifacts.versions(session.key, name) == [record]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"tags": "urgent"}, "tags must be a list of strings"),
        ({"tags": ["x" * 65]}, r"tags\[1\] may have 64 bytes; this one has 65"),
        ({"tags": ["ok", ""]}, r"tags\[2\] must not be empty"),
        ({"tags": ["a\x1b[0m"]}, r"tags\[1\] must not have control characters"),
        ({"tags": [5]}, r"tags\[1\] must be a string, not 5"),
        ({"tags": [str(n) for n in range(101)]}, "there may be 100 tags, not 101"),
        ({"mime_type": "text"}, "mime_type must look like text/plain, not 'text'"),
        ({"mime_type": "text/plain\r\nX: y"}, "mime_type must look like text/plain"),
        ({"type": "x" * 65}, "type must have 1 to 64 bytes"),
        ({"type": 5}, "type must be a text such as ToolResult, not 5"),
        ({"description": "x" * 16385}, "description may have 16384 bytes; this one has 16385"),
        ({"custom": {"x": "y" * 65536}}, "custom fields may have 65536 bytes; these have"),
        ({"custom": {1: "x"}}, "names of custom fields must be strings, not 1"),
        ({"custom": {"x": object()}}, "custom fields: a value of type object can't be passed"),
        ({"custom": ["x"]}, "custom fields are a table with names"),
        ({"content": 5}, "content must be a string or a table, not a number"),
        ({"content": {"x": 2**70}}, "content: the integer .* does not fit in 64 bits"),
        ({"content": "\ud800"}, "content has characters that are no Unicode text"),
        ({"content": io.StringIO("text")}, "the file gives str instead of bytes; open it"),
    ],
)
def test_everything_is_checked_before_anything_is_stored(
    store: Store, session: SessionRecord, fields: dict[str, Any], problem: str
) -> None:
    with pytest.raises(UsageError, match=problem) as refused:
        keep(store, session, **{"call": "artifacts.store", **fields})
    assert str(refused.value).startswith("artifacts.store: ")
    assert store.artifacts.list() == []
    assert used(store, session) == (0, 0)


def test_quotas_are_enforced_for_every_way_of_storing(store: Store, tmp_path: Path) -> None:
    limits = {"artifacts": 2, "artifact_bytes": 100}
    session = store.sessions.insert(SessionRecord(limits=limits))
    path = tmp_path / "large"
    path.write_bytes(b"x" * 101)
    for content in (b"x" * 101, "x" * 101, {"x": "y" * 100}, io.BytesIO(b"x" * 101)):
        with pytest.raises(LimitReached, match=r"artifact_bytes of session .* have 0 of 100 bytes"):
            keep(store, session, "a", cast(Content, content))
    with pytest.raises(LimitReached, match="artifact_bytes"):
        storing.store_file(store, session, path)
    first = keep(store, session, "a", b"x" * 60)
    with pytest.raises(LimitReached, match="have 60 of 100 bytes, and 41 more don't fit"):
        keep(store, session, "b", b"x" * 41)
    keep(store, session, "b", b"x" * 40)
    with pytest.raises(LimitReached, match="it has 2 of 2 artifacts") as reached:
        keep(store, session, "c", b"")
    assert reached.value.limit == "artifacts"
    storing.delete(store, first)
    keep(store, session, "c", b"x" * 60)
    assert used(store, session) == (2, 100)


class Endless:
    """Gives bytes for ever, and counts them."""

    def __init__(self) -> None:
        self.given = 0

    def read(self, size: int = -1) -> bytes:
        self.given += size
        return bytes(size)


def test_a_file_without_end_is_read_no_further_than_the_session_may_have(store: Store) -> None:
    session = store.sessions.insert(SessionRecord(limits={"artifact_bytes": 20 * MIB}))
    endless = Endless()
    with pytest.raises(LimitReached):
        keep(store, session, "endless", cast(BinaryIO, endless))
    assert endless.given <= 22 * MIB
    assert used(store, session) == (0, 0)


# Versions --------------------------------------------------------------------------------


def test_versions_know_the_content_before_them_and_go_on_after_deletes(
    store: Store, session: SessionRecord
) -> None:
    drafts = [keep(store, session, "draft", f"draft {n}") for n in (1, 2, 3)]
    assert [it.version for it in drafts] == [1, 2, 3]
    assert [it.previous_hash for it in drafts] == [
        None, drafts[0].content_hash, drafts[1].content_hash,
    ]  # fmt: skip
    storing.delete(store, drafts[2])
    storing.delete(store, drafts[0])
    fourth = keep(store, session, "draft", "draft 4")
    assert (fourth.version, fourth.sequence) == (4, 4)
    assert fourth.previous_hash == drafts[2].content_hash
    assert store.artifacts.versions(session.key, "draft") == [drafts[1], fourth]


def test_a_number_can_be_asked_for_once(store: Store, session: SessionRecord) -> None:
    assert keep(store, session, "a", sequence=5).sequence == 5
    assert keep(store, session, "b").sequence == 6
    with pytest.raises(UsageError, match="has, or had, an artifact of number 5"):
        keep(store, session, "c", sequence=5)
    assert keep(store, session, "c", sequence=2).sequence == 2
    assert keep(store, session, "d").sequence == 7
    assert used(store, session) == (4, 20)


# Deriving and verifying ------------------------------------------------------------------


def test_a_derived_artifact_names_its_parent_and_is_of_its_type(
    store: Store, session: SessionRecord
) -> None:
    parent = keep(store, session, "data.csv", "a,b", type="ToolResult", tags=["raw"])
    other = store.sessions.insert(SessionRecord())
    child = storing.derive(store, other, parent, "data.json", {"a": 1}, tags=["cooked"])
    assert child.parent_artifact == parent.id
    assert (child.artifact_type, child.mime_type) == ("tool_result", "application/json")
    assert child.tags == ["cooked"]
    named = storing.derive(store, other, child, "note", "x", type="Note")
    assert (named.artifact_type, named.parent_artifact) == ("note", child.id)
    storing.delete(store, parent)
    with pytest.raises(ArtifactNotFound):
        storing.derive(store, other, parent, "late", "x")
    assert [it.name for it in store.artifacts.list(ArtifactQuery(session_id=other.id))] == [
        "note", "data.json",
    ]  # fmt: skip
    assert store.artifacts.get(child.id).parent_artifact == parent.id


@pytest.mark.parametrize("size", [100, 300_000, 9 * MIB])
def test_verify_finds_what_changed_on_disk(store: Store, session: SessionRecord, size: int) -> None:
    record = keep(store, session, "a.bin", os.urandom(size))
    reading.verify(store, record)
    if size > 256 * 1024:
        path = next(it for it in (store.path / "objects").rglob("*") if it.is_file())
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.chmod(0o600)
        path.write_bytes(data)
    else:
        connection = apsw.Connection(str(store.path / "store.db"))
        connection.execute("UPDATE blob_data SET data = zeroblob(length(data))")
        connection.close()
    with pytest.raises(StoreCorrupt, match="is not what was written"):
        reading.verify(store, record)
    with pytest.raises(StoreCorrupt):
        reading.read(store, record)


def test_verify_says_when_the_content_is_gone(store: Store, session: SessionRecord) -> None:
    record = keep(store, session)
    connection = apsw.Connection(str(store.path / "store.db"))
    connection.execute("DELETE FROM blobs")
    connection.close()
    with pytest.raises(StoreCorrupt, match="has lost its content"):
        reading.verify(store, record)


# Content ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "value"),
    [
        ("a.txt", "größe", "größe"),
        ("a.txt", b"\xff", b"\xff"),
        ("a.bin", b"text", b"text"),
        ("a.json", '{"a":1}', '{"a":1}'),
        ("a", {"a": [1, 2.0, None], "b": {}}, {"a": [1, 2.0, None], "b": {}}),
        ("a", [], []),
        ("a.bin", bytearray(b"abc"), b"abc"),
        ("a.bin", memoryview(b"abc"), b"abc"),
        ("a.bin", io.BytesIO(b"abc"), b"abc"),
    ],
)
def test_content_comes_back_in_the_form_it_was_stored_in(
    store: Store, session: SessionRecord, name: str, content: Content, value: Any
) -> None:
    record = keep(store, session, name, content)
    assert reading.read_value(store, record) == value


def test_equal_tables_are_one_content(store: Store, session: SessionRecord) -> None:
    one = keep(store, session, "a", {"x": 1, "y": {"b": 2, "a": 1}})
    two = keep(store, session, "b", {"y": {"a": 1, "b": 2}, "x": 1})
    assert one.content_hash == two.content_hash == blake3(b'{"x":1,"y":{"a":1,"b":2}}').digest()


def test_an_artifact_is_read_like_a_file(store: Store, session: SessionRecord) -> None:
    data = os.urandom(9 * MIB)
    record = keep(store, session, "a.bin", data)
    with reading.open_content(store, record) as file:
        assert file.read(5) == data[:5]
        assert file.seek(-7, io.SEEK_END) == len(data) - 7
        assert file.read() == data[-7:]
        assert file.read() == b""
        file.seek(5 * MIB - 3)
        assert file.read(6) == data[5 * MIB - 3 : 5 * MIB + 3]
        assert file.tell() == 5 * MIB + 3
        with pytest.raises(ValueError, match="before the beginning"):
            file.seek(-1)
        with pytest.raises(io.UnsupportedOperation):
            file.write(b"x")
    assert b"".join(reading.pieces(store, record)) == data
    lines = keep(store, session, "lines.txt", "one\ntwo\n")
    assert list(reading.open_content(store, lines)) == [b"one\n", b"two\n"]


def test_files_are_stored_by_their_names(
    store: Store, session: SessionRecord, tmp_path: Path
) -> None:
    path = tmp_path / "Bericht größe.md"
    path.write_text("# Titel")
    record = storing.store_file(store, session, path, tags=["file"])
    assert (record.name, record.mime_type, record.tags) == (path.name, "text/markdown", ["file"])
    link = tmp_path / "link"
    link.symlink_to(path)
    assert storing.store_file(store, session, link, name="other.md").size == record.size


def test_a_file_that_breaks_in_the_middle_leaves_nothing(
    store: Store, session: SessionRecord
) -> None:
    class Breaking(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell() > 12 * MIB:
                raise OSError(5, "Input/output error")
            return super().read(size)

    with pytest.raises(UsageError, match=r"can't read the content: .*Input/output error"):
        keep(store, session, "a", Breaking(os.urandom(20 * MIB)))
    assert used(store, session) == (0, 0)
    assert store.artifacts.list() == []
    assert list((store.path / "objects").rglob("tmp-*")) == []


def test_what_is_no_regular_file_is_refused_without_waiting(
    store: Store, session: SessionRecord, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / os.fsdecode(b"\xff.txt")).write_bytes(b"x")
    for path, problem in (
        (tmp_path / "pipe", "is no regular file"),
        (tmp_path, "is no regular file"),
        (Path("/dev/zero"), "is no regular file"),
        (tmp_path / "missing", "can't read the file .*: No such file"),
        (tmp_path / "a\0b", "can't read the file"),
        (tmp_path / os.fsdecode(b"\xff.txt"), "name must be UTF-8 text"),
    ):
        with pytest.raises(UsageError, match=problem):
            storing.store_file(store, session, path)
    assert store.artifacts.list() == []


# Whose -----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["suspended", "completed", "failed", "archived"])
def test_only_an_active_session_takes_and_loses_artifacts(
    store: Store, session: SessionRecord, status: str
) -> None:
    record = keep(store, session)
    store.sessions.update(session.key, status=status)
    with pytest.raises(InvalidTransition, match=f"is {status}; only an active session") as refused:
        keep(store, session, "b")
    assert (refused.value.current, refused.value.wanted) == (status, "active")
    with pytest.raises(InvalidTransition, match=f"is {status}"):
        storing.delete(store, record)
    assert reading.read(store, record) == b"hello"
    assert used(store, session) == (1, 5)


def test_a_session_suspended_while_its_file_is_read_takes_nothing(
    store: Store, session: SessionRecord
) -> None:
    class Suspending(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            store.sessions.update(session.key, status="suspended")
            return super().read(size)

    with pytest.raises(InvalidTransition):
        keep(store, session, "a", Suspending(b"x" * MIB))
    assert used(store, session) == (0, 0)


def test_a_transaction_that_fails_keeps_no_artifact(store: Store, session: SessionRecord) -> None:
    with suppress(RuntimeError), store.transaction():
        storing.add(store, session, "a", "hello", tags=["t"])
        storing.add(store, session, "b", os.urandom(300_000))
        raise RuntimeError
    assert store.artifacts.list() == []
    assert store.artifacts.list(ArtifactQuery(tags=["t"])) == []
    assert used(store, session) == (0, 0)
    assert keep(store, session).sequence == 1


def test_ten_thousand_artifacts_are_numbered_counted_and_listed(
    store: Store, session: SessionRecord
) -> None:
    for begin in range(0, 10_000, 500):
        with store.transaction():
            for number in range(begin, begin + 500):
                storing.add(store, session, f"part {number}", b"%d" % number, tags=["part"])
    assert used(store, session)[0] == 10_000
    query = ArtifactQuery(session_id=session.id, tags=["part"], limit=100, offset=9_900)
    assert [it.sequence for it in store.artifacts.list(query)] == list(range(100, 0, -1))
    assert store.artifacts.count(query) == 10_000
    assert check(store).findings == []

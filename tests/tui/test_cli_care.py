"""`respell check` and `gc`: is the store sound, and what is in it for nothing?"""

from __future__ import annotations

import apsw
import pytest

from command_line import CommandLine, session_of

STORY = """
    Artifact.store(nil, "large.bin", ("0123456789abcdef"):rep(20000) .. args[1])
    local noise = {}
    for i = 1, 90000 do noise[i] = string.pack("<I4", math.random(0, 2^32 - 1)) end
    Artifact.store(nil, "noise.bin", table.concat(noise))
    print("done")
"""


@pytest.fixture
def ident(respell: CommandLine) -> str:
    """The id of a session that ran."""
    return session_of(respell("run", respell.script(STORY, "story.lua"), "--", "x"))


def test_a_sound_store_is_called_sound(respell: CommandLine, ident: str) -> None:
    for words in ([], ["--read-data"], ["--read-data", "--repair"]):
        told = respell("check", *words)
        assert told.out == ""
        assert "1 session" in told.err
        assert "nothing is wrong" in told.err
    report = respell("check", "--json").json
    assert report["ok"]
    assert report["findings"] == []
    assert (report["sessions"], report["artifacts"]) == (1, 2)


def test_a_damaged_file_is_named_and_mended_by_storing_it_again(
    respell: CommandLine, ident: str
) -> None:
    address = respell("artifacts", "show", ident, "noise.bin", "--json").json["content_hash"]
    (path,) = (respell.store / "objects").rglob(address)
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)
    assert respell("check").code == 0  # every file is there and has its size
    told = respell("check", "--read-data", code=6)
    assert path.name in told.out
    (finding,) = respell("check", "--read-data", "--json", code=6).json["findings"]
    assert finding["blob"] == path.name
    assert not finding["repaired"]
    assert "noise.bin" in finding["what"]
    assert "large.bin" not in respell("artifacts", "verify", ident, code=6).err
    kept = respell.folder / "kept.bin"
    kept.write_bytes(b"was here before")
    respell("artifacts", "get", ident, "noise.bin", "-o", "kept.bin", code=6)
    assert kept.read_bytes() == b"was here before"
    respell("check", "--read-data", "--repair", code=None)
    assert not path.exists()  # put aside, not deleted
    assert list((respell.store / "damaged").rglob("*"))
    assert respell("show", ident, "--json").json["status"] == "completed"


def test_a_changed_event_is_named_and_others_stay_usable(respell: CommandLine, ident: str) -> None:
    other = session_of(respell("run", respell.script("print('other')", "other.lua")))
    database = apsw.Connection(str(respell.store / "store.db"))
    where = "session = (SELECT key FROM sessions WHERE id = ?) AND seq = 2"
    ((body,),) = database.execute(f"SELECT body FROM records WHERE {where}", (ident,)).fetchall()
    changed = body[:40] + bytes((body[40] ^ 1,)) + body[41:]
    database.execute(f"UPDATE records SET body = ? WHERE {where}", (changed, ident))
    database.close()
    told = respell("check", "--read-data", code=6)
    assert ident in told.out
    assert other not in told.out
    assert respell("replay", other).code == 0


def test_what_nothing_refers_to_goes_after_a_while(respell: CommandLine, ident: str) -> None:
    respell("delete", ident, "--yes")
    assert "nothing to remove" in respell("gc").err
    database = apsw.Connection(str(respell.store / "store.db"))
    database.execute("UPDATE blobs SET touched = touched - 3 * 86400 * 1000000")
    database.close()
    would = respell("gc", "--dry-run")
    assert "would be removed" in would.err
    assert respell("gc", "--dry-run", "--json").json["blobs"] > 0
    assert "removed: " in respell("gc").err
    assert respell("gc", "--json").json["blobs"] == 0
    assert respell("check", "--read-data").code == 0


def test_lost_content_is_damage_and_named_by_its_artifact(respell: CommandLine, ident: str) -> None:
    address = respell("artifacts", "show", ident, "noise.bin", "--json").json["content_hash"]
    (path,) = (respell.store / "objects").rglob(address)
    path.unlink()
    assert (
        "artifact 'noise.bin' version 1"
        in respell("artifacts", "get", ident, "noise.bin", code=6).err
    )
    respell("check", "--repair", code=6)
    told = respell("artifacts", "get", ident, "noise.bin", code=6).err
    assert "artifact 'noise.bin' version 1" in told
    assert f"has lost its content: blob {address}" in told


def test_the_least_grace_is_told(respell: CommandLine, ident: str) -> None:
    respell("delete", ident, "--yes")
    told = respell("gc", RESPELL_STORAGE_GC_GRACE_HOURS="0").err
    assert "nothing to remove: all is in use, or not two minutes old yet" in told


def test_old_sessions_are_archived_and_deleted_as_configured(
    respell: CommandLine, ident: str
) -> None:
    database = apsw.Connection(str(respell.store / "store.db"))
    database.execute("UPDATE sessions SET ended_at = ended_at - 3 * 86400 * 1000000")
    database.close()
    settings = {"RESPELL_SESSION_RETENTION_ARCHIVE_AFTER_DAYS": "2"}
    assert "would be archived: 1 session" in respell("gc", "--dry-run", **settings).err
    assert respell("gc", "--json", **settings).json["archived"] == [ident]
    assert respell("show", ident, "--json").json["status"] == "archived"
    settings = {"RESPELL_SESSION_RETENTION_DELETE_AFTER_DAYS": "2"}
    assert respell("gc", "--json", **settings).json["deleted"] == [ident]
    assert respell("list", "--json").json == []

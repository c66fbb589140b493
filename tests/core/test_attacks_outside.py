"""Attacks on what is outside of Lua: files, environment, processes and other sessions."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from hostile import Attacker, attacker


@pytest.fixture(scope="module")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacker]:
    """One store for all attacks of this module, with a quiet session in it."""
    with attacker(tmp_path_factory.mktemp("arena")) as one:
        (one.folder / "inside.txt").write_text("fine")
        (one.folder / "etc").symlink_to("/etc")
        (one.folder / "shadow").symlink_to("/etc/shadow")
        (one.folder / "self").symlink_to("/proc/self")
        (one.folder / "up").symlink_to("..")
        (one.folder / "loop").symlink_to("loop")
        os.mkfifo(one.folder / "fifo")
        yield one


@pytest.fixture
def attack(arena: Attacker) -> Iterator[Attacker]:
    """Runs one attack, and checks what it left behind."""
    arena.begin()
    yield arena
    arena.check_rest()


# Files --------------------------------------------------------------------------------------

OUTSIDE = [
    "/etc/shadow", "/etc/passwd", "/proc/self/environ", "/proc/self/mem", "/proc/1/environ",
    "/proc/self/root/etc/shadow", "../outside.txt", "./../outside.txt", "etc/../../outside.txt",
    "etc/passwd", "shadow", "self/environ", "self/cwd/../outside.txt", "up/outside.txt",
    "//etc/shadow", "/etc/./shadow", "/dev/zero", "/dev/mem", "store/store.db",
    "./store/../store/store.db", "up/../etc/shadow", "~root/../../etc/shadow",
]  # fmt: skip


@pytest.mark.parametrize("path", OUTSIDE)
def test_no_file_outside_is_read_written_moved_or_loaded(attack: Attacker, path: str) -> None:
    (attack.folder.parent / "outside.txt").write_text("secret")
    before = sorted(os.listdir(attack.folder.parent))
    text = f"""
    local path = "{path}"
    for _, call in ipairs{{
      function() return io.open(path) end, function() return io.open(path, "r+") end,
      function() return io.open(path, "w") end, function() return io.open(path, "a") end,
      function() return io.lines(path) end, function() return io.input(path) end,
      function() return io.output(path) end, function() return loadfile(path) end,
      function() return dofile(path) end,
      function() return Artifact.storeFile(nil, path) end,
      function() return Tool.invoke("file_operations", {{operation = "read", path = path}}) end,
      function() return Tool.invoke("file_operations",
        {{operation = "write", path = path, input = "x"}}) end,
    }} do
      local ok, value, message = pcall(call)
      print(ok and value == nil or not ok, message or value)
    end
    """
    for line in attack.completes(text):
        refused, message = line.split("\t", 1)
        assert refused == "true", message
        assert "root:" not in message
        assert "secret" not in message
    assert sorted(os.listdir(attack.folder.parent)) == before
    assert (attack.folder.parent / "outside.txt").read_text() == "secret"
    assert (attack.folder / "inside.txt").read_text() == "fine"
    assert not (attack.folder / "stolen.txt").exists()


@pytest.mark.parametrize("path", [path for path in OUTSIDE if path != "shadow"])
def test_no_file_outside_is_removed_or_renamed(attack: Attacker, path: str) -> None:
    kept = attack.folder.parent / "outside.txt"
    kept.write_text("secret")
    text = f"""
    print(pcall(os.remove, "{path}"))
    print(pcall(os.rename, "{path}", "stolen.txt"))
    print(pcall(os.rename, "inside.txt", "{path}"))
    """
    for line in attack.completes(text):
        assert line.startswith("false\tattack.lua:"), line
        assert "is not allowed" in line
    assert kept.read_text() == "secret"
    assert (attack.folder / "inside.txt").read_text() == "fine"


def test_renaming_and_removing_a_link_leaves_what_it_leads_to(attack: Attacker) -> None:
    outside = attack.folder.parent / "outside.txt"
    outside.write_text("secret")
    (attack.folder / "link").symlink_to(outside)
    text = "print(os.rename('link', 'other')) print(pcall(io.open, 'other')) os.remove('other')"
    first, second = attack.completes(text)
    assert first == "true"
    assert "is not allowed" in second
    assert outside.read_text() == "secret"


def test_a_refusal_says_what_would_allow_it(attack: Attacker) -> None:
    (line,) = attack.completes("print(pcall(io.open, '/etc/shadow'))")
    assert "reading /etc/shadow is not allowed" in line
    assert line.endswith("To allow it: --allow read=/etc/shadow")


NO_NAMES = [
    "'a\\0b'", "'inside.txt\\0'", "'\\0'", "''", "'\\xff\\xfe'", "('a'):rep(300)",
    "('a/'):rep(3000)",
    "'loop'", "'fifo'", "'.'", "('../'):rep(5000)", "('x'):rep(1000000)",
]  # fmt: skip


@pytest.mark.parametrize("name", NO_NAMES)
def test_what_names_no_file_is_an_error_and_hangs_nothing(attack: Attacker, name: str) -> None:
    text = f"""
    local path = {name}
    for _, call in ipairs{{
      function() return io.open(path) end, function() return io.open(path, "r+") end,
      function() return io.lines(path) end, function() return require(path) end,
      function() return Artifact.storeFile(nil, path) end, function() return dofile(path) end,
      function() return loadfile(path) end, function() return os.remove(path .. "/x") end,
      function() return os.rename(path .. "/x", "y") end,
    }} do
      local ok, value, message = pcall(call)
      print(ok and value == nil or not ok, message or value)
    end
    """
    for line in attack.completes(text):
        assert line.startswith("true\t"), line


def test_a_link_that_is_put_in_place_of_a_checked_file_is_not_followed(attack: Attacker) -> None:
    victim = attack.folder / "victim.txt"
    victim.write_text("x")
    text = """
    local f = assert(io.open("victim.txt", "a"))
    print("opened")
    Session.suspend{prompt = "now it is replaced"}
    f:write("stolen")
    print(f:close())
    """
    waiting = attack(text)
    assert waiting.ended.reason == "script"
    outside = attack.folder.parent / "outside.txt"
    outside.write_text("secret")
    victim.unlink()
    victim.symlink_to(outside)
    attack.resume(waiting)
    assert outside.read_text() == "secret"


def test_environment_variables_that_look_like_secrets_are_not_told(
    attack: Attacker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    monkeypatch.setenv("HARMLESS", "hunter2")
    text = r"""
    for _, name in ipairs{"SECRET_TOKEN", "HARMLESS"} do print(pcall(os.getenv, name)) end
    for _, name in ipairs{"", "a\0b", "a=b", "\xff", ("x"):rep(100000)} do
      assert(os.getenv(name) == nil)
    end
    """
    for line in attack.completes(text):
        assert line.startswith("false\tattack.lua:2: reading the environment variable")
        assert "hunter2" not in line


# Processes ----------------------------------------------------------------------------------


def test_processes_are_denied(attack: Attacker) -> None:
    text = """
    print(os.execute())
    for _, command in ipairs{"id", "/bin/sh", "id; id", "touch made", "\\0", ""} do
      print(pcall(os.execute, command))
      print(pcall(io.popen, command))
    end
    print(pcall(function() local p = io.popen("cat > made", "w") p:write("x") p:close() end))
    """
    first, *lines = attack.completes(text)
    assert first == "false"
    for line in lines:
        assert line.startswith("false\tattack.lua:"), line
    assert not (attack.folder / "made").exists()


# Other sessions -----------------------------------------------------------------------------


def test_another_session_is_neither_read_nor_changed(attack: Attacker) -> None:
    text = """
    local other
    for _, one in ipairs(Session.list{}) do
      if one.id ~= Session.getCurrent() and one.status == "suspended" then other = one.id end
    end
    local calls = {
      "suspend", "resume", "complete", "fail", "archive", "delete", "addTag",
      "setTags", "setCurrent", "save", "getTimeline", "stats",
    }
    for _, name in ipairs(calls) do print(pcall(Session[name], other, "x")) end
    print(pcall(Session.updateMetadata, other, {name = "x"}))
    print(pcall(State.get, "session:" .. other, "kept"))
    print(pcall(State.set, "session:" .. other, "kept", 2))
    print(pcall(Artifact.list, other))
    print(pcall(Artifact.store, other, "evil.txt", "x"))
    print(pcall(Artifact.get, other, other .. "/1/00000000"))
    """
    lines = attack.completes(text)
    assert len(lines) == 18, lines
    for line in lines:
        assert line.startswith("false\tattack.lua:"), line

"""What scripts may do: defaults, flags, symlinks, and refusals that say what to pass."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from respell import values
from respell.errors import PermissionDenied, UsageError
from respell.globs import path_matches
from respell.security import Permissions


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with scripts/, work/ and secret/, symlinks resolved."""
    home = tmp_path.resolve()
    for name in ("scripts", "work", "secret"):
        (home / name).mkdir()
    return home


def permissions(home: Path, allow: list[str] | None = None, deny: list[str] | None = None,
                closed: list[Path] | None = None) -> Permissions:  # fmt: skip
    return Permissions.from_flags(
        allow or [], deny or [], home / "scripts", home / "work", closed=closed or []
    )


def test_by_default_a_script_reads_its_folder_and_the_working_directory(home: Path) -> None:
    allowed = permissions(home)
    assert allowed.check_read("notes.txt") == home / "work" / "notes.txt"
    assert allowed.check_read(home / "scripts" / "lib.lua") == home / "scripts" / "lib.lua"
    with pytest.raises(PermissionDenied):
        allowed.check_read(home / "secret" / "key")


def test_by_default_a_script_writes_below_the_working_directory_only(home: Path) -> None:
    allowed = permissions(home)
    assert allowed.check_write("out/new.txt") == home / "work" / "out" / "new.txt"
    with pytest.raises(PermissionDenied):
        allowed.check_write(home / "scripts" / "lib.lua")


def test_a_refusal_names_the_path_and_the_flag(home: Path) -> None:
    with pytest.raises(PermissionDenied) as caught:
        permissions(home).check_read("/etc/passwd")
    assert "reading /etc/passwd is not allowed" in str(caught.value)
    assert "--allow read=/etc/passwd" in str(caught.value)
    assert caught.value.flag == "read=/etc/passwd"


def test_a_flag_in_a_refusal_can_be_pasted_into_a_shell(home: Path) -> None:
    with pytest.raises(PermissionDenied) as caught:
        permissions(home).check_read("/srv/my files; rm")
    assert "--allow 'read=/srv/my files; rm'" in str(caught.value)


def test_passing_the_flag_of_a_refusal_lifts_it(home: Path) -> None:
    allowed = permissions(home)
    checks = (
        lambda p: p.check_read("/etc/hosts"),
        lambda p: p.check_write(home / "secret" / "[odd] name"),
        lambda p: p.check_process("git"),
        lambda p: p.check_shell("ls | wc"),
        lambda p: p.check_env("MY_API_KEY"),
    )
    for check in checks:
        with pytest.raises(PermissionDenied) as caught:
            check(allowed)
        check(allowed.allowing(caught.value.flag))


def test_dots_lead_nowhere_else(home: Path) -> None:
    with pytest.raises(PermissionDenied):
        permissions(home).check_read("../secret/key")


def test_a_symlink_out_of_the_folder_is_seen_through(home: Path) -> None:
    (home / "work" / "link").symlink_to(home / "secret")
    with pytest.raises(PermissionDenied, match=r"secret/key"):
        permissions(home).check_read("link/key")
    with pytest.raises(PermissionDenied):
        permissions(home).check_write("link/not/yet/there")


def test_a_symlink_within_the_folder_is_followed_to_what_is_opened(home: Path) -> None:
    (home / "work" / "real").write_text("x")
    (home / "work" / "alias").symlink_to("real")
    assert permissions(home).check_write("alias") == home / "work" / "real"


def test_removing_a_symlink_means_the_symlink_itself(home: Path) -> None:
    link = home / "work" / "link"
    link.symlink_to(home / "secret" / "key")
    assert permissions(home).check_write("link", moves=True) == link
    assert permissions(home).resolve("sub/..", follow=False) == home / "work"


def test_a_sibling_whose_name_begins_alike_is_outside(home: Path) -> None:
    (home / "work2").mkdir()
    with pytest.raises(PermissionDenied):
        permissions(home).check_read(home / "work2" / "x")


def test_patterns_name_folders_files_and_globs(home: Path) -> None:
    allowed = permissions(home, ["read=/etc", "read=~/notes.md", "read=../secret/*.txt"])
    assert allowed.check_read("/etc/ssl/x")
    assert allowed.check_read(os.path.expanduser("~/notes.md"))
    assert allowed.check_read(home / "secret" / "a.txt")
    for refused in (home / "secret" / "a.key", home / "secret" / "sub" / "a.txt", "/etcetera"):
        with pytest.raises(PermissionDenied):
            allowed.check_read(refused)


@pytest.mark.parametrize(
    ("pattern", "path", "matches"),
    [
        ("/a/**/x.py", "/a/b/c/x.py", True),
        ("/a/*/x.py", "/a/b/c/x.py", False),
        ("/a/b?", "/a/bc/below", True),
        ("/a/b?", "/a/b/", False),
        ("/a/[bc]", "/a/c", True),
        ("/a/[!bc]", "/a/c", False),
        ("/a/[!b]x", "/a//x", False),
        ("/a/[x", "/a/[x", True),
        ("/", "/anything", True),
    ],
)
def test_path_globs(pattern: str, path: str, matches: bool) -> None:
    assert path_matches(pattern, path) is matches


def test_the_more_specific_rule_decides_and_of_equals_the_denial(home: Path) -> None:
    only = permissions(home, ["read=data"], ["read"])
    assert only.check_read("data/x")
    with pytest.raises(PermissionDenied, match="--deny read forbids it"):
        only.check_read("other")
    but = permissions(home, ["read"], ["read=/etc/shadow"])
    assert but.check_read("/etc/passwd")
    with pytest.raises(PermissionDenied, match="--deny read=/etc/shadow"):
        but.check_read("/etc/shadow")


def test_allowing_all_reads_leaves_out_the_environment_of_the_host(home: Path) -> None:
    for allowed in (permissions(home, ["read"]), Permissions.from_flags([], [], home, "/")):
        with pytest.raises(PermissionDenied, match="/proc"):
            allowed.check_read("/proc/self/environ")
    assert permissions(home, ["read=/proc/version"]).check_read("/proc/version")


def test_the_store_stays_closed_whatever_the_flags(home: Path) -> None:
    store = home / "work" / ".respell"
    store.mkdir()
    allowed = permissions(home, ["read", "write", "write=.respell"], closed=[store])
    with pytest.raises(PermissionDenied, match="No flag allows it"):
        allowed.check_read(store / "store.db")
    with pytest.raises(PermissionDenied):
        allowed.check_write(store / "store.db")
    assert allowed.check_write(home / "work")
    with pytest.raises(PermissionDenied, match="store is below it"):
        allowed.check_write(home / "work", moves=True)


def test_a_script_can_not_write_itself_a_config(home: Path) -> None:
    with pytest.raises(PermissionDenied, match=r"write=.*respell\.toml"):
        permissions(home, ["write"]).check_write("respell.toml")
    assert permissions(home, ["write=respell.toml"]).check_write("respell.toml")


def test_a_path_with_a_nul_byte_is_refused_in_words(home: Path) -> None:
    with pytest.raises(UsageError, match="NUL"):
        permissions(home).check_read("a\0b")


def test_the_sessions_own_folder_is_open_even_when_reading_is_denied(home: Path) -> None:
    allowed = permissions(home, deny=["read", "write"]).with_own(home / "secret")
    assert allowed.check_write("../secret/scratch")
    assert allowed.check_read("../secret/scratch")


def test_any_host_is_reachable_until_a_flag_says_otherwise(home: Path) -> None:
    permissions(home).check_network("example.com", 443)
    only = permissions(home, ["network=*.example.com:443", "network=127.0.0.1"], ["network"])
    only.check_network("API.example.com.", 443)
    only.check_network("127.0.0.1", 8080)
    for host, port in (("api.example.com", 80), ("example.org", 443), ("example.com", 443)):
        with pytest.raises(PermissionDenied, match=f"--allow network={host}:{port}"):
            only.check_network(host, port)


@pytest.mark.parametrize(
    "spelling", ["127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1", "::ffff:127.0.0.1"]
)
def test_another_spelling_of_an_address_is_the_same_address(home: Path, spelling: str) -> None:
    denied = permissions(home, deny=["network=127.0.0.1"])
    with pytest.raises(PermissionDenied):
        denied.check_network(spelling, 80)


def test_ipv6_patterns_take_brackets_for_the_port(home: Path) -> None:
    denied = permissions(home, deny=["network=[::1]:80"])
    denied.check_network("::1", 81)
    with pytest.raises(PermissionDenied, match=r"\[::1\]:80"):
        denied.check_network("0:0:0:0:0:0:0:1", 80)


def test_processes_are_denied_until_allowed(home: Path) -> None:
    with pytest.raises(PermissionDenied, match="--allow process=sh"):
        permissions(home).check_process("sh")
    assert permissions(home, ["process"]).check_process("sh").endswith("/sh")
    assert permissions(home, ["process=sh"]).check_process("sh").endswith("/sh")


def test_allowing_a_program_by_name_does_not_allow_a_file_called_like_it(home: Path) -> None:
    fake = home / "work" / "git"
    fake.write_text("#!/bin/sh\n")
    fake.chmod(0o755)
    with pytest.raises(PermissionDenied):
        permissions(home, ["process=git"]).check_process("./git")
    assert permissions(home, ["process=./git"]).check_process("./git") == str(fake)


def test_a_shell_needs_all_processes_to_be_allowed(home: Path) -> None:
    permissions(home, ["process"]).check_shell("ls | wc")
    with pytest.raises(PermissionDenied, match="--allow process"):
        permissions(home, ["process=ls"]).check_shell("ls | wc")
    with pytest.raises(PermissionDenied, match="--deny process=rm forbids a shell"):
        permissions(home, ["process"], ["process=rm"]).check_shell("ls")


def test_the_environment_shows_harmless_names_and_never_secrets(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_TIME", "C")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    monkeypatch.setenv("MYAPP_MODE", "fast")
    assert "LC_TIME" in permissions(home).environment()
    assert "MYAPP_MODE" not in permissions(home).environment()
    everything = permissions(home, ["env", "env=*"])
    assert everything.environment()["MYAPP_MODE"] == "fast"
    assert "OPENAI_API_KEY" not in everything.environment()
    with pytest.raises(PermissionDenied, match=r"looks like a secret.*--allow env=OPENAI_API_KEY"):
        everything.check_env("OPENAI_API_KEY")
    by_name = permissions(home, ["env=OPENAI_API_KEY"])
    assert by_name.environment()["OPENAI_API_KEY"] == "sk-1"


@pytest.mark.parametrize("name", ["aws_region", "db_password", "GitHub_Token", "SSH_AUTH_SOCK"])
def test_secrets_are_known_in_any_case(home: Path, name: str) -> None:
    with pytest.raises(PermissionDenied):
        permissions(home, ["env"]).check_env(name)


def test_denying_variables(home: Path) -> None:
    with pytest.raises(PermissionDenied):
        permissions(home, deny=["env"]).check_env("PATH")
    with pytest.raises(PermissionDenied):
        permissions(home, ["env=X"], ["env=X"]).check_env("X")


@pytest.mark.parametrize(
    ("flag", "says"),
    [
        ("files=/etc", "read, write, network, process, env"),
        ("Read", "no kind 'Read'"),
        ("read=", "pattern has to follow"),
        ("network=https://example.com", "HOST or HOST:PORT"),
        ("network=example.com:http", "HOST or HOST:PORT"),
        ("read=/a/[z-a]", "no path pattern"),
    ],
)
def test_a_wrong_flag_is_explained(home: Path, flag: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        permissions(home, [flag])


def test_permissions_are_stored_and_come_back_the_same(home: Path) -> None:
    odd = os.fsdecode(b"not-utf8-\xff")
    before = permissions(home, ["read=data", f"read={odd}"], ["env"], [home / "s\u00e9cret"])
    stored = values.decode(values.encode(before.to_dict()))
    assert Permissions.from_dict(stored) == before


def test_without_any_folder_there_is_no_file_to_reach() -> None:
    for path in ("x", "/etc/passwd"):
        with pytest.raises(PermissionDenied):
            Permissions().check_read(path)


def test_a_name_without_end_makes_no_endless_refusal(home: Path) -> None:
    with pytest.raises(PermissionDenied) as caught:
        permissions(home).check_process("x" * 5000)
    assert len(str(caught.value)) < 600
    assert "--allow process=PATTERN, with a pattern" in str(caught.value)
    assert caught.value.flag == "process=" + "x" * 5000

"""`respell export` and `import`: a session moves to another machine, or to a bug report."""

from __future__ import annotations

from pathlib import Path

from command_line import CommandLine, session_of

STORY = """
    local child = Session.create{name = "notes"}
    Artifact.store(child, "note.txt", "a note")
    Artifact.store(nil, "report.md", "# Report\\nby Ada Lovelace\\n")
    State.set("count", 41)
    local go_on = Session.suspend{prompt = "go on?"}
    State.set("count", State.get("count") + 1)
    print(go_on, State.get("count"), Artifact.getContent(child, Artifact.list(child)[1].id))
"""


def exported(respell: CommandLine, *options: str) -> str:
    """Run the story up to its suspend, export it, and return its id."""
    ident = session_of(respell("run", respell.script(STORY), "--name", "story", code=3))
    told = respell("export", "story", "story.respell", *options)
    assert told.out == ""
    assert "story.respell" in told.err
    return ident


def test_a_session_goes_on_in_another_store(respell: CommandLine) -> None:
    ident = exported(respell)
    elsewhere = {"RESPELL_STORE": str(respell.folder / "elsewhere")}
    imported = respell("import", "story.respell", **elsewhere)
    assert imported.out == f"{ident}\n"
    assert "suspended" in imported.err
    assert respell("replay", ident, **elsewhere).code == 0
    assert respell("resume", ident, "--value", "true", **elsewhere).out == "true\t42\ta note\n"
    assert respell("replay", ident, **elsewhere).code == 0
    # The original is what it was.
    assert respell("show", ident, "--json").json["status"] == "suspended"


def test_one_flipped_byte_is_refused_with_its_place(respell: CommandLine) -> None:
    exported(respell)
    path = respell.folder / "story.respell"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    elsewhere = {"RESPELL_STORE": str(respell.folder / "elsewhere")}
    refused = respell("import", "story.respell", code=6, **elsewhere)
    assert "damaged at frame" in refused.err
    assert "byte" in refused.err
    assert respell("list", "--json", **elsewhere).json == []


def test_a_redacted_session_can_be_viewed_but_not_resumed(respell: CommandLine) -> None:
    ident = exported(respell, "--redact", "Ada L[a-z]+")
    assert b"Lovelace" not in (respell.folder / "story.respell").read_bytes()
    elsewhere = {"RESPELL_STORE": str(respell.folder / "elsewhere")}
    respell("import", "story.respell", **elsewhere)
    assert respell("artifacts", "get", "story", "report.md", **elsewhere).out == (
        "# Report\nby [redacted]\n"
    )
    assert "redacted" in respell("show", ident, **elsewhere).out
    assert respell("events", ident, **elsewhere).out
    for verb in (["resume", ident, "--value", "true"], ["replay", ident],
                 ["fork", ident, "--at", "1"]):  # fmt: skip
        assert "redacted" in respell(*verb, code=2, **elsewhere).err
    assert b"Lovelace" not in b"".join(
        path.read_bytes() for path in (respell.folder / "elsewhere").rglob("*") if path.is_file()
    )


def test_what_can_not_be_is_refused_in_words(respell: CommandLine) -> None:
    ident = exported(respell)
    assert "already" in respell("import", "story.respell", code=2).err
    assert "nowhere" in respell("import", "nowhere", code=2).err
    Path(respell.folder / "text").write_text("no export")
    assert "text" in respell("import", "text", code=2).err
    assert "(" in respell("export", ident, "x", "--redact", "(", code=2).err
    assert not (respell.folder / "x").exists()
    assert "text" in respell("export", ident, "text", code=2).err
    assert (respell.folder / "text").read_text() == "no export"


def test_patterns_that_match_nothing_are_told_of(respell: CommandLine) -> None:
    ident = session_of(respell("run", respell.script(STORY), code=3))
    told = respell("export", ident, "public.respell", "--redact", "no such thing").err
    assert "no pattern matched anything: nothing was replaced" in told
    told = respell("export", ident, "public.respell", "--redact", "Ada").err
    assert "no pattern matched" not in told
    assert "redacted: it can be viewed" in told


def test_both_tell_programs_what_they_did(respell: CommandLine) -> None:
    ident = session_of(respell("run", respell.script(STORY), code=3))
    report = respell("export", ident, "story.respell", "--json").json
    assert report["session_id"] == ident
    assert (report["sessions"], report["artifacts"], report["redactions"]) == (2, 2, 0)
    assert report["size"] == (respell.folder / "story.respell").stat().st_size
    elsewhere = {"RESPELL_STORE": str(respell.folder / "elsewhere")}
    imported = respell("import", "story.respell", "--json", **elsewhere).json
    assert imported == respell("show", ident, "--json", **elsewhere).json
    actions = [entry["action"] for entry in respell("audit", ident, "--json").json]
    assert "session.export" in actions

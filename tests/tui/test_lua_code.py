"""Lua is painted by what it means, and every character of it stays."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from respell_tui.paint import plain
from respell_tui.shown.highlight import highlighted

SOURCE = """\
-- greets
local function hi(name, n)
  if n < 0x1F and n ~= 1.5e3 then return "Bs1", 'it\\'s' end --[[ over
  two lines ]] print(("x"):rep(3), string.format("%d", n), t.print)
  local long = [==[ first ]]
second ]==] .. "\\z
    third"
end
function Account:pay() return nil end
"""


def roles(text: str) -> dict[str, str]:
    """Return the role of each piece that has one."""
    return {piece: role for line in highlighted(text, "lua") for piece, role in line if role}


def test_each_word_is_painted_by_what_it_means() -> None:
    found = roles(SOURCE)
    expected = {
        "comment": ("-- greets", "--[[ over", "  two lines ]]"),
        "keyword": ("local", "function ", "if", "and", "then", "return", "end"),
        "name": ("hi", "rep", "Account:pay"),
        "number": ("0x1F", "1.5e3", "3", "nil"),
        "string": ('"Bs1"', "'it\\'s'", "[==[ first ]]", "second ]==]", '"\\z', '    third"'),
        "accent": ("print", "string.format"),
    }
    for role, pieces in expected.items():
        for piece in pieces:
            assert found.get(piece) == role, (piece, found.get(piece))
    assert "t.print" not in found
    assert "name" not in found


def test_what_is_not_finished_is_painted_to_its_end() -> None:
    assert roles("x = [[ never\nclosed") == {"[[ never": "string", "closed": "string"}
    assert roles('x = "never\ny = 1') == {'"never': "string", "1": "number"}
    assert roles("--[==[ never\nclosed ]]") == {"--[==[ never": "comment", "closed ]]": "comment"}


@given(st.text(alphabet="ab1.=[]-\"'\\\n\tz:( é\0", max_size=60))
def test_no_character_is_lost(text: str) -> None:
    assert [plain(line) for line in highlighted(text, "lua")] == text.split("\n")


def test_a_hostile_source_takes_no_longer_than_another() -> None:
    for piece in ("[=", "--[=[", '"\\z ', "'\\", "function ", "a.", "0x", "[[]"):
        text = piece * (500_000 // len(piece))
        assert "".join(plain(line) for line in highlighted(text, "lua")) == text

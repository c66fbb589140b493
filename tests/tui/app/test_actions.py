"""One table of actions feeds keys, footer, help, palette and the documentation."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path

import pytest
from textual.dom import DOMNode

import respell
from app_pages import opened
from respell.config import load
from respell.errors import ConfigError
from respell_tui.actions import ACTIONS, by_id
from respell_tui.actions.keys import Keys, clashes
from respell_tui.actions.page import page
from respell_tui.app import RespellApp
from respell_tui.panes.pane import Pane
from respell_tui.screens.compare import Compare
from respell_tui.screens.home import Home
from respell_tui.screens.place import Place
from respell_tui.screens.session import screen_of
from respell_tui.widgets.line_view import LineView

DOCS = Path(__file__).parents[3] / "docs"


def test_the_page_of_keys_is_made_from_the_table() -> None:
    assert (DOCS / "keys.md").read_text() == page(), "run `make keys`"


def test_every_action_has_words_and_an_id_of_its_own() -> None:
    assert len({action.id for action in ACTIONS}) == len(ACTIONS)
    for action in ACTIONS:
        assert re.fullmatch(r"[a-z]+(\.[a-z0-9_]+)+", action.id), action.id
        assert action.label
        assert action.description.endswith("."), action.id
        assert action.description[0].isupper(), action.id


def test_no_key_means_two_things_in_the_same_place() -> None:
    assert list(clashes({action.id: action.keys for action in ACTIONS}, {})) == []


def test_every_action_is_carried_out_by_something() -> None:
    """The method of each is on the app, its screen or its pane."""
    homes: dict[str, list[type[DOMNode]]] = {"app": [RespellApp, Place], "list": [LineView]}
    for screen in (Home, type(screen_of("", None)), Compare):
        homes[screen.place] = [screen]
    pending: list[type[Pane]] = [Pane]
    while pending:
        pane = pending.pop()
        pending += pane.__subclasses__()
        homes.setdefault(pane.place, []).append(pane)
    for action in ACTIONS:
        owners = homes.get(action.where, []) + homes.get(action.where.partition("/")[0], [])
        assert any(hasattr(owner, action.method) for owner in owners), action.id


def test_the_ui_is_imported_only_when_it_is_opened() -> None:
    code = (
        "import sys; from respell_tui.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "assert not [it for it in sys.modules if it.split('.')[0] in ('textual', 'rich')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


# Keys of one's own -------------------------------------------------------------------------


def config_with(tmp_path: Path, text: str) -> respell.config.Config:  # type: ignore[name-defined]
    path = tmp_path / "respell.toml"
    path.write_text(text)
    return load(path)


def test_a_key_can_be_given_to_another_action(tmp_path: Path) -> None:
    config = config_with(tmp_path, '[keys]\n"app.help" = ["H", "f1"]\n"app.quit" = "Q"\n')

    async def story() -> None:
        async with opened(tmp_path / "store", config=config) as it:
            await it.shows("H help", "Q quit")
            await it.press("question_mark")
            await it.hides("On this screen")
            await it.press("H")
            await it.shows("On this screen")

    asyncio.run(story())


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"app.hlep": ("h",)}, "no such action; did you mean app.help?"),
        ({"app.help": ("hyper+h",)}, "there is no key 'hyper+h'"),
        ({"app.help": ("ctrl+m",)}, "'ctrl+m' can't be used: terminals send it for enter"),
        ({"app.help": ("q",)}, "have the same key, 'q'"),
    ],
)
def test_a_wrong_key_is_refused(keys: dict[str, tuple[str, ...]], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        Keys(keys)


def test_signs_can_be_written_as_such() -> None:
    assert Keys({"app.help": ("!",)}).of("app.help") == ("exclamation_mark",)
    assert Keys({"app.help": ("ctrl+g",)}).shown("app.help") == "^g"
    assert Keys({"app.help": ()}).shown("app.help") == ""
    assert Keys().of("app.quit") == by_id("app.quit").keys


def test_a_key_in_a_file_must_be_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"respell.toml:2: keys.app.help must be a key"):
        config_with(tmp_path, "[keys]\napp.help = 3\n")


def test_the_file_of_a_project_that_nobody_trusts_changes_no_key(tmp_path: Path) -> None:
    (tmp_path / "respell.toml").write_text('[keys]\nsession.open = "x"\n')
    config = load(environ={"HOME": str(tmp_path)}, cwd=tmp_path)
    assert config.keys == {}
    assert "[keys] does not count" in config.warnings[0]

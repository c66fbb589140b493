"""The app. Imported only when it is opened: Textual takes its time."""

from __future__ import annotations

import asyncio
import os
import re
import select
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any, ClassVar

from textual.app import App
from textual.filter import Monochrome, NoColor
from textual.message import Message
from textual.theme import BUILTIN_THEMES

from respell.config import Config
from respell.errors import RespellError, StoreError, StoreMissing
from respell.sessions.record import SessionQuery
from respell.store import Store
from respell.times import now_us
from respell_tui import swiftness
from respell_tui.actions.binding import Acting, bindings
from respell_tui.actions.keys import Keys
from respell_tui.detach import Started
from respell_tui.icons import SETS, Icons, icons_of
from respell_tui.inert import Inert
from respell_tui.memory import Memory
from respell_tui.paint import cell
from respell_tui.palette import ActionProvider, Palette, SessionProvider
from respell_tui.screens.place import Place
from respell_tui.theme import CYCLE, OWN, textual_name
from respell_tui.work import Job, Problem, Working

LOOK_S = 0.2
"""How often is looked whether anything in the store has changed."""

KEEP_S = 2.0
"""How often what is open is written down, if that is different: a process may be killed."""

LIVENESS_S = 2.0
"""How often the sessions are read although nothing has: a host that died writes nothing."""


_MADE = re.compile(r"^session ([0-9a-f-]{36})$", re.MULTILINE)

_FOR_SHELLS = re.compile(r"session [0-9a-f-]{36}$|its history: respell ")
_ENDINGS = {
    1: "the script failed", 2: "refused", 4: "it diverged from its history",
    5: "a limit stopped it", 6: "the store is busy, full, corrupt or too new",
}  # fmt: skip


class StoreChanged(Message):
    """Something in the store may look different now."""

    def can_replace(self, message: Message) -> bool:
        """One is enough."""
        return isinstance(message, StoreChanged)


class RespellApp(Acting, Working, App[None]):
    """The terminal UI over one store.

    It reads the store in threads, and never runs a session itself: it starts processes that
    do, and quitting stops none of them.

    Attributes:
        config: The configuration.
        keys: Which keys the actions have.
        icons: The signs in use.
        folder: The store's folder.
        memory: What was open the last time, and is written down at the end.
        clock: Gives the time, in µs since 1970 UTC.
    """

    TITLE = "respell"
    BINDINGS: ClassVar = bindings("app")
    COMMANDS: ClassVar = {ActionProvider, SessionProvider}
    ENABLE_COMMAND_PALETTE = False  # Textual's own; the action opens ours
    CSS_PATH = "app.tcss"

    def __init__(
        self,
        store: Path,
        *,
        config: Config | None = None,
        clock: Callable[[], int] = now_us,
        watch: bool = True,
    ) -> None:
        """Make the app.

        Args:
            store: The store's folder, which need not be there yet.
            config: The configuration; None for the defaults.
            clock: Gives the time.
            watch: Look for what others change in the store.

        Raises:
            ConfigError: The configuration names a theme, icons, an action or a key there is not.
        """
        from respell import config as configuration

        self.config = config or configuration.default()
        self.keys = Keys(_keys_of(self.config))
        self.icons: Icons = icons_of(self.config.ui.icons)
        wanted = textual_name(self.config.ui.theme)
        super().__init__()
        if self.no_color:
            # Textual would paint in greys: those are colours, too.
            self._filters = [
                NoColor() if isinstance(one, Monochrome) else one for one in self._filters
            ]
        self.folder = store
        self.clock = clock
        self._watches = watch
        self.memory = Memory.of(store)
        self._kept = deepcopy(self.memory)
        self._store: Store | None = None
        self._was: tuple[int, int] | None = None
        self._aside: list[Store] = []
        self._opening = threading.Lock()
        self._commands = 0
        for theme in OWN.values():
            self.register_theme(theme)
        self.theme = wanted
        self._theme_name = self.config.ui.theme
        self._filters.append(Inert())
        self.set_keymap(self.keys.keymap())

    # The store ---------------------------------------------------------------------------

    def store(self, *, create: bool = False) -> Store:
        """Return the store, open. Only for jobs: it waits for the disk.

        Args:
            create: Make it where there is none.

        Raises:
            StoreError: It can't be opened; StoreMissing: there is none.
        """
        with self._opening:
            file = self._store_file()
            if self._store is not None and file != self._was:
                self._aside.append(self._store)  # what has it open may still read it
                self._store = None
            if self._store is None:
                if self._was is not None and file is None and not create:
                    raise StoreMissing(
                        "the store is gone: it was deleted or moved while it was open "
                        f"({self.folder})"
                    )
                self._store = Store(self.folder, create=create, **self.config.store_options())
                self._was = self._store_file()
            return self._store

    def store_apart(self) -> Store:
        """Return the store, opened anew, to be closed: for jobs that wait for other writers.

        Who waits with it keeps no one else from reading, and can be stopped alone.
        """
        self.store()  # says what is wrong with it
        return Store(self.folder, **self.config.store_options())

    def _store_file(self) -> tuple[int, int] | None:
        """Return what tells the store's database from another one in its place."""
        try:
            status = (self.folder / "store.db").stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino

    @property
    def had_store(self) -> bool:
        """Whether the store was open at some time."""
        return self._was is not None

    def _watch(self, job: Job) -> None:
        """Tell whenever the store has changed, and now and then although it has not."""
        seen: object = None
        quiet = 0.0
        while True:
            job.sleep(LOOK_S)
            quiet += LOOK_S
            now = self._version()
            if now != seen or quiet >= LIVENESS_S:
                seen, quiet = now, 0.0
                job.tell(None)

    def _version(self) -> object:
        """Return what is another value once the store may look different, or can't be read."""
        if not self.had_store:
            return self._store_file()
        try:
            return self.store().data_version()
        except (RespellError, OSError) as error:
            return str(error)

    def look_again(self) -> None:
        """Read the store again, and open it anew if that can't be read any more."""
        self.work("opening the store", lambda job: self._set_aside(), lambda _: self.changed(),
                  group="aside")  # fmt: skip

    def _set_aside(self) -> None:
        with self._opening:
            if self._store is None:
                return
            try:
                self._store.sessions.count(SessionQuery())
            except StoreError:
                self._aside.append(self._store)
                self._store = None

    def changed(self) -> None:
        """Have the screen read the store again: the app itself has changed it."""
        self._told(None)

    def _told(self, news: Any) -> None:
        # Only the one that is seen: what the others would paint is painted through it, in whole.
        seen = next((it for it in reversed(self.screen_stack) if isinstance(it, Place)), None)
        if seen is not None:
            seen.post_message(StoreChanged())

    # Life --------------------------------------------------------------------------------

    def on_mount(self) -> None:
        """Open the first screen."""
        from respell_tui.screens.home import Home

        self._listen_to_signals()
        self.push_screen(Home())
        swiftness.set_aside_modules()
        if self.memory.open:
            self.open_session(self.memory.open, position=self.memory.position or None)
        self.set_interval(KEEP_S, self._keep_memory)
        if self._watches:
            self.work(
                "watching the store", self._watch, lambda _: None, group="watch",
                heard=self._told,
            )  # fmt: skip

    def _keep_memory(self) -> None:
        """Write down what is open, if it is different from what was written last."""
        if not self.had_store or self.memory == self._kept or self.working("memory"):
            return
        self._kept = now = deepcopy(self.memory)

        def keep(job: Job) -> None:
            with suppress(OSError):  # nothing is lost but where one was
                now.keep(self.folder)

        self.work("remembering what is open", keep, lambda _: None, group="memory")

    def _listen_to_signals(self) -> None:
        """End in order when the system says so, or when the terminal is closed."""
        if self.is_headless or threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.exit)
        loop.add_signal_handler(signal.SIGHUP, self._hung_up)
        threading.Thread(target=self._wait_for_hang_up, name="hang-up", daemon=True).start()

    def _wait_for_hang_up(self) -> None:
        """End, too, where the terminal goes without a signal that reaches this process.

        So it is for one that was started with `nohup`, or that has no controlling terminal.
        Textual would read the end of its input again and again, and wait for ever to write.
        """
        poll = select.poll()
        poll.register(0, 0)
        if poll.poll():
            self._hung_up()

    def _hung_up(self) -> None:
        """There is no terminal any more to draw on, nor to read from."""
        if self.had_store:
            with suppress(OSError):
                self.memory.keep(self.folder)
        os._exit(128 + signal.SIGHUP)  # the debuggers' processes end with this one

    def on_unmount(self) -> None:
        """Remember what was open, and close the store."""
        self.stop_work()
        if self.had_store:
            with suppress(OSError):  # nothing is lost but where one was
                self.memory.keep(self.folder)
        with self._opening:
            for store in (*self._aside, *([self._store] if self._store is not None else [])):
                with suppress(StoreError):  # it was read, and what was written was synced then
                    store.close()

    def show_problem(self, problem: Problem) -> None:
        """Say what went wrong."""
        self.flash(f"{problem.what} failed: {problem.text}", "bad")

    def flash(self, text: str, role: str = "good") -> None:
        """Say something for a moment in the last line of the screen."""
        place = next((one for one in reversed(self.screen_stack) if isinstance(one, Place)), None)
        if place is not None and place.is_mounted:
            place.flash(text, role)

    # Actions -----------------------------------------------------------------------------

    def do_app_quit(self) -> None:
        """Quit; what runs goes on."""
        self.exit()

    def do_app_again(self) -> None:
        """Read everything anew."""
        self.look_again()
        self.flash("read again")

    def do_app_commands(self) -> None:
        """Open the command palette."""
        if not isinstance(self.screen, Palette):
            self.push_screen(Palette())

    def do_app_theme(self) -> None:
        """Show the next theme."""
        at = CYCLE.index(self._theme_name) if self._theme_name in CYCLE else -1
        self._theme_name = CYCLE[(at + 1) % len(CYCLE)]
        self.theme = textual_name(self._theme_name)
        self.flash(f"theme: {self._theme_name}; [ui] theme in respell.toml keeps one", "good")

    def do_app_icons(self) -> None:
        """Change between the sets of signs."""
        names = list(SETS)
        now = names.index(next(name for name, one in SETS.items() if one is self.icons))
        self.icons = SETS[names[(now + 1) % len(names)]]
        self.changed()

    def open_session(
        self, session_id: str, *, position: str | None = None, saying: str = ""
    ) -> None:  # fmt: skip
        """Open a session on a screen of its own.

        Args:
            session_id: Its id.
            position: Where to stand, e.g. `12+340`; None for its end.
            saying: What is said there in the last line.
        """
        from respell_tui.screens.session import screen_of

        screen = screen_of(session_id, position)
        self.push_screen(screen)
        if saying:
            screen.call_later(screen.flash, saying)
        self.memory.open, self.memory.position = session_id, position or ""

    def jump_to(self, session_id: str) -> None:
        """Open a session in place of what is open above the first screen."""
        while len(self.screen_stack) > 2:
            self.pop_screen()
        self.open_session(session_id)

    # Processes ---------------------------------------------------------------------------

    def run_command(self, words: Sequence[str], what: str, *, new: bool) -> None:
        """Start a `respell` command in a process of its own, and say how it ends.

        Args:
            words: The command and its options.
            what: What it does, for people: `running the script`.
            new: It makes a session, which the first screen shall go to.
        """

        def work(job: Job) -> tuple[int, str]:
            started = Started(words, store=self.folder)
            told = not new
            try:
                while (code := started.code()) is None:
                    job.sleep(0.05)
                    told = told or self._tell_session(job, started.said())
                self._tell_session(job, started.said() if not told else "")
                return code, started.said()
            finally:
                started.let_go()

        self._commands += 1
        self.work(what, work, lambda it: self._ended(what, *it),
                  group=f"command {self._commands}", heard=self.choose_session)  # fmt: skip

    def _tell_session(self, job: Job, said: str) -> bool:
        """Tell which session a command has made, once it has said so."""
        found = _MADE.search(said)
        if found is not None:
            job.tell(found.group(1))
        return found is not None

    def choose_session(self, session_id: str) -> None:
        """Put the cursor of the first screen on a session that was just made.

        Args:
            session_id: Its id; it need not be in the list yet.
        """
        from respell_tui.screens.home import Home

        for screen in self.screen_stack:
            if isinstance(screen, Home):
                screen.sessions.select(session_id)
        self.changed()

    def _ended(self, what: str, code: int, said: str) -> None:
        """Say how a command ended; what its session says of it is in the list anyway."""
        self.changed()
        made = _MADE.search(said)
        ident = made.group(1) if made is not None else ""
        of = f"{what} ({ident[:8]})" if ident and ident[:8] not in what else what
        if code in (0, 3):
            self.flash(f"{of}: " + ("done" if code == 0 else "suspended"), "good")
            return
        from respell_tui.screens.dialog import Choice, Question

        # What is said of the session itself, and of commands for a shell, is seen here anyway.
        last = [line for line in said.splitlines() if line.strip() and not _FOR_SHELLS.match(line)]
        title = _ENDINGS.get(code, f"It ended with {code}")
        choices = [Choice("open", "Open where it ended", "o")] if ident else []
        self.push_screen(
            Question(f"{of}: {title}", [[(cell(line), "")] for line in last[-12:]],
                     [*choices, Choice("ok", "Close", "c")]),
            lambda answer: self.jump_to(ident) if answer == "open" else None,
        )  # fmt: skip


def _keys_of(config: Config) -> dict[str, tuple[str, ...]]:
    return dict(config.keys)


assert not set(OWN) & set(BUILTIN_THEMES)

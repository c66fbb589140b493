"""What can be done on every screen and in every list."""

from __future__ import annotations

from respell_tui.actions.model import Action

EVERYWHERE: tuple[Action, ...] = (
    Action("app.help", ("question_mark", "f1"), "help",
           "Shows what can be done here, and with which keys.", "app", footer=90,
           always=True),
    Action("app.commands", ("ctrl+p",), "commands",
           "Finds and runs any action or opens any session by typing a part of its name.",
           "app", footer=80),
    Action("app.line", ("colon",), "command",
           "Opens the command line: an action's name, an event's number, a position, a percentage.",
           "app"),
    Action("app.back", ("escape",), "back",
           "Goes one step back: closes the search, the zoom, the question, the screen.", "app",
           footer=85, always=True),
    Action("app.again", ("ctrl+r",), "try again",
           "Tries again what failed: opens the store anew, starts the debugger's processes anew "
           "where one stands.", "app"),
    Action("app.quit", ("q", "ctrl+q"), "quit",
           "Quits. Sessions that run go on running.", "app", footer=95, always=True),
    Action("app.theme", (), "theme",
           "Shows the next theme: dark, light, contrast, terminal.", "app"),
    Action("app.icons", (), "icons", "Changes between Unicode signs and ASCII ones.", "app"),
    Action("pane.zoom", ("z",), "zoom", "Gives the whole screen to this pane, or takes it back.",
           "app"),
    Action("pane.next", ("tab",), "next pane", "Goes to the next pane.", "app"),
    Action("pane.previous", ("shift+tab",), "previous pane", "Goes to the pane before.", "app"),
    *(
        Action(f"pane.{number}", (str(number),), f"pane {number}", f"Goes to pane {number}.", "app")
        for number in range(1, 7)
    ),
)  # fmt: skip

LISTS: tuple[Action, ...] = (
    Action("list.up", ("up", "k"), "up", "Goes one line up.", "list"),
    Action("list.down", ("down", "j"), "down", "Goes one line down.", "list"),
    Action("list.page_up", ("pageup",), "page up", "Goes one page up.", "list"),
    Action("list.page_down", ("pagedown",), "page down", "Goes one page down.", "list"),
    Action("list.first", ("home",), "first", "Goes to the first line.", "list"),
    Action("list.last", ("end",), "last", "Goes to the last line.", "list"),
    Action("list.left", ("left",), "left",
           "Shows what is left of this, in a long line; of a variable closes what is open.",
           "list"),
    Action("list.right", ("right",), "right",
           "Shows what is right of this, in a long line; of a variable opens what is inside.",
           "list"),
    Action("list.choose", ("enter",), "open", "Opens what the cursor is on.", "list"),
)  # fmt: skip

"""The signs of the app, in two sets. Each says by its shape what colour says besides."""

from __future__ import annotations

from dataclasses import dataclass, fields

from respell.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Icons:
    """One set of signs, each one cell wide.

    Attributes:
        running, paused, suspended, interrupted, completed, failed, archived, active: How a
            session is.
        cursor: What the cursor is on.
        current: The line or event the debugger stands at.
        branch, last_branch, trunk: How a tree is drawn.
        opened, closed: What has something below it.
        effect, output, lifecycle, hook, limit, edit, note: Kinds of events.
        tool, agent, state, artifact, session, file, clock, http, event: Families of effects.
        breakpoint, bookmark, watch: What a person set.
        full, half, empty: A bar.
        added, changed, removed: What became of something.
        ellipsis, bullet, arrow, left, right: In sentences.
        more: Stands at the edge where a line goes on behind it.
        times: Stands behind a number of times.
        bars: How full a cell of a plot is, from hardly to all.
        dot, axis, foot: A value in a plot; what stands left of it, and below.
    """

    running: str
    paused: str
    suspended: str
    interrupted: str
    completed: str
    failed: str
    archived: str
    active: str
    cursor: str
    current: str
    branch: str
    last_branch: str
    trunk: str
    opened: str
    closed: str
    effect: str
    output: str
    lifecycle: str
    hook: str
    limit: str
    edit: str
    note: str
    tool: str
    agent: str
    state: str
    artifact: str
    session: str
    file: str
    clock: str
    http: str
    event: str
    breakpoint: str
    bookmark: str
    watch: str
    full: str
    half: str
    empty: str
    added: str
    changed: str
    removed: str
    ellipsis: str
    bullet: str
    arrow: str
    left: str
    right: str
    more: str
    times: str
    bars: str
    dot: str
    axis: str
    foot: str


UNICODE = Icons(
    running="▸", paused="‖", suspended="◆", interrupted="!", completed="✓", failed="✗",
    archived="▫", active="○", cursor="▸", current="▶", branch="├", last_branch="└", trunk="│",
    opened="▾", closed="▸", effect="•", output="»", lifecycle="◇", hook="ʃ", limit="▲",
    edit="✎", note="·", tool="T", agent="A", state="S", artifact="+", session="s", file="F",
    clock="c", http="H", event="e", breakpoint="●", bookmark="⚑", watch="W", full="█", half="▌",
    empty="░", added="+", changed="~", removed="-", ellipsis="…", bullet="•", arrow="→",
    left="◀", right="▶", more="›", times="×", bars="▁▂▃▄▅▆▇█", dot="■", axis="┤", foot="▲",
)  # fmt: skip

ASCII = Icons(
    running=">", paused="=", suspended="?", interrupted="!", completed="v", failed="x",
    archived="a", active="o", cursor=">", current=">", branch="|", last_branch="`", trunk="|",
    opened="-", closed="+", effect="*", output=">", lifecycle="#", hook="h", limit="^",
    edit="e", note=".", tool="T", agent="A", state="S", artifact="+", session="s", file="F",
    clock="c", http="H", event="e", breakpoint="B", bookmark="M", watch="W", full="#", half="=",
    empty=".", added="+", changed="~", removed="-", ellipsis="~", bullet="*", arrow=">",
    left="<", right=">", more=">", times="x", bars=".:#", dot="#", axis="|", foot="^",
)  # fmt: skip

SETS: dict[str, Icons] = {"unicode": UNICODE, "ascii": ASCII}


def icons_of(name: str) -> Icons:
    """Return the set of a name.

    Raises:
        ConfigError: There is none.
    """
    if name not in SETS:
        raise ConfigError(f"there are no icons {name!r}: choose one of {', '.join(SETS)}")
    return SETS[name]


def of_state(icons: Icons, word: str) -> str:
    """Return the sign of a session's state, e.g. `running`."""
    return str(getattr(icons, word))


STATES = tuple(field.name for field in fields(Icons))[:8]
"""The words for how a session is that have a sign."""

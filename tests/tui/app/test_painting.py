"""What is on the screen is what would be there if all of it were painted anew."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from textual.strip import Strip

from app_pages import SMALL, WIDE, Page
from app_replay import ran, story

WALK = """\
local function walk(list, depth)
  local deep = {depth}
  for i, one in ipairs(list) do
    State.set("at", i)
    deep[#deep + 1] = one
    if i % 3 == 0 then
      print("third", one)
      Artifact.store(nil, "a" .. i .. ".txt", "number " .. i)
    end
  end
  return deep
end
local all = {}
for n = 1, 12 do
  all[n] = ("word " .. n):rep(n)
end
local first = walk(all, 1)
pcall(error, "oh")
print(#first)
"""

KEYS = (
    *"nNsSoOeEgGhzvf123456", "down", "up", "pagedown", "pageup", "home", "end", "right", "left",
    "enter", "tab", "escape", "x", "B", "V",
)  # fmt: skip
SIZES = [WIDE, SMALL, (132, 50), (60, 18)]


def painted(it: Page) -> list[Strip]:
    """Return the lines of the screen with their colours."""
    return [strip.simplify() for strip in it.app.screen._compositor.render_strips()]


async def rests(it: Page) -> None:
    """Wait until nothing is under way any more."""
    await it.until(lambda: len(it.app.screen_stack) > 2, "the screen of the session")
    replay = next(one for one in it.app.screen_stack if hasattr(one, "is_moving"))
    await it.until(lambda: not replay.is_moving, "rest")
    await it.until(lambda: not any(job.waited for job in replay.waited_for()), "rest of jobs")
    seen: list[list[Strip]] = []

    def is_still() -> bool:
        seen.append(painted(it))
        return len(seen) > 3 and seen[-1] == seen[-2] == seen[-3]

    await it.until(is_still, "a screen that stays as it is")


@pytest.mark.parametrize("seed", range(2))
def test_what_is_painted_is_what_there_is(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)

    async def tell(it: Page) -> None:
        pressed = []
        await it.press("h")  # lines are counted in the background, and shown whenever that is done
        for _ in range(40):
            if chance.random() < 0.06:
                size = chance.choice(SIZES)
                pressed.append(str(size))
                await it.pilot.resize_terminal(*size)
            key = chance.choice(KEYS)
            pressed.append(key)
            await it.press(key)
            if len(it.app.screen_stack) < 3:  # it went back to the sessions
                await it.press("enter")
            await rests(it)
            before = painted(it)
            for widget in it.app.screen.walk_children():
                widget.refresh()
            await it.pilot.pause()
            after = painted(it)
            for y, (was, now) in enumerate(zip(before, after, strict=True)):
                assert was == now, f"line {y} was {was.text!r}\nnow {now.text!r}\n{pressed}"

    story(ran(tmp_path, WALK), tell)

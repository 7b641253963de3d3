"""
How much is measured.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """
    How often, and how much at a time.

    @ivar rounds: how often every candidate has its turn.
    @ivar logins: logins in a turn, one after the other.
    @ivar at_once: logins in a turn, all at a time.
    @ivar layer_logins: logins in a turn where only their service is run.
    @ivar delays: seconds that the network adds one way, and how many rounds there
        are with that.
    @ivar kept: connections that are kept at a time, to see their memory.
    @ivar memory_rounds: how often that is done, each time by new processes.
    @ivar growth_rounds: how often each size is measured.
    @ivar growth_logins: logins in a turn at the smallest size; larger sizes have
        fewer.
    @ivar keys: of so many keys the last is the right one.
    @ivar questions: so many rounds of keyboard-interactive.
    @ivar banners: so many banners.
    @ivar simultaneous: so many logins at a time.
    """

    rounds: int
    logins: int
    at_once: int
    layer_logins: int
    delays: tuple[tuple[float, int], ...]
    kept: int
    memory_rounds: int
    growth_rounds: int
    growth_logins: int
    keys: tuple[int, ...]
    questions: tuple[int, ...]
    banners: tuple[int, ...]
    simultaneous: tuple[int, ...]


FULL = Scale(
    rounds=11,
    logins=40,
    at_once=100,
    layer_logins=300,
    delays=((0.0, 11), (0.02, 7), (0.1, 3)),
    kept=500,
    memory_rounds=3,
    growth_rounds=5,
    growth_logins=50,
    keys=(1, 2, 5, 10, 20, 50, 100, 200),
    questions=(1, 2, 4, 8, 16, 32, 64),
    banners=(1, 2, 4, 8, 16, 32, 64),
    simultaneous=(1, 10, 100, 1000, 5000),
)
#: A few minutes.
QUICK = Scale(
    rounds=7,
    logins=30,
    at_once=50,
    layer_logins=200,
    delays=((0.0, 7), (0.02, 3), (0.1, 1)),
    kept=200,
    memory_rounds=1,
    growth_rounds=1,
    growth_logins=20,
    keys=(1, 10, 100),
    questions=(1, 8, 64),
    banners=(1, 8, 64),
    simultaneous=(1, 10, 100, 500),
)
#: As little as shows that it runs.
TINY = Scale(
    rounds=1,
    logins=2,
    at_once=2,
    layer_logins=2,
    delays=((0.02, 1),),
    kept=2,
    memory_rounds=1,
    growth_rounds=1,
    growth_logins=1,
    keys=(1, 3),
    questions=(1, 3),
    banners=(1, 3),
    simultaneous=(1, 3),
)

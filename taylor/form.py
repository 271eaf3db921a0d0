"""The form of a block's polynomials: degree, lanes, and whether the lanes share the constant parts."""
from typing import NamedTuple

LANES = 8
"""Directions in a block: they fill one vector register of an AVX-512 machine, and keep the state small enough
for the cache."""

TRAININGS = 16
"""Plain trainings side by side in a block."""

CACHED = 1024
"""Numbers of a buffer, of each intermediate result in a strip, that stay in the nearest cache: 8 KiB."""

BLOCKED = 65536
"""Numbers of operand b of a product that are used again and again, and stay in the second cache: 512 KiB."""

FEWEST = 64
"""Columns of a product that are taken at a time at least: as often operand a is used again."""

PANEL_NUMBERS = 2048
"""Numbers of operand a of a product that are brought next to each other: 16 KiB."""

PAGE = 4096
"""Bytes of a page of memory. Numbers that are whole pages apart push each other out of the nearest cache."""


class Form(NamedTuple):
    """The form of a block's polynomials.

    degree   the highest power of t
    lanes    how many directions there are side by side
    shared   whether all lanes share the constant parts; if not, each lane is a plain calculation of its own,
             and there are no coefficients
    """
    degree: int
    lanes: int
    shared: bool = True

    @property
    def order_width(self):
        """How many numbers an element has of one order: those that multiply t, or one for each plain
        calculation."""
        return 2 * self.lanes * (self.degree > 0) if self.shared else self.lanes

    @property
    def width(self):
        """How many numbers there are to an element that differ from lane to lane."""
        return 2 * self.degree * self.lanes if self.shared else self.lanes

    @property
    def shape(self):
        """These numbers as an array."""
        return (self.degree, 2, self.lanes) if self.shared else (self.lanes,)

    @property
    def layout(self):
        """What the machine must know of the form: SHARED, LANE_WIDTH and ORDER_WIDTH of a task."""
        return self.shared, self.width, self.order_width

    @property
    def chunk(self):
        """How many elements a strip takes at a time."""
        return max(1, CACHED // max(1, self.width))

    def blocks(self, columns, inner, constant):
        """(columns, inner indices) of a product that are taken at a time, so that operand b stays in a cache.

        `constant` says whether it is one number for all lanes.
        """
        width = 1 if constant else max(1, self.width)
        columns = min(columns, max(FEWEST, BLOCKED // width // max(inner, 1)) // 4 * 4)      # whole tiles
        return columns, min(inner, max(16, BLOCKED // width // max(columns, 1)))

    def panel(self, constant):
        """Inner indices of a tile's lines of operand a that are brought next to each other."""
        return max(8, PANEL_NUMBERS // max(1, self.width) // self.tile(constant)[0])

    def tile(self, constant):
        """(lines, columns) of a product that are calculated at once: as many as the registers hold sums of.

        `constant` says whether operand b is one number for all lanes.
        """
        if not self.shared or self.degree == 1:
            return 2, 4
        if self.degree == 2:
            return (1, 4) if constant else (2, 2)
        if self.degree == 3 and constant:
            return 1, 4
        return (1, 1) if 5 <= self.degree <= 9 else (1, 2)

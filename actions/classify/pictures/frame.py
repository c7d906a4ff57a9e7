"""What the model wants to see of a picture, and how much smaller a picture may be decoded for it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Frame:
    """`side` pixels square, the centre `crop` (0..1] of the picture's short side."""

    side: int = 224
    crop: float = 0.875

    @property
    def short_side(self) -> int:
        """The least short side a picture may be decoded at without losing detail."""
        return round(self.side / self.crop)


def reduction(size: tuple[int, int], frame: Frame) -> int:
    """How many times smaller (1, 2, 4, 8) a picture is decoded: as much as leaves its short side long enough."""
    possible = min(size) // frame.short_side
    return next((scale for scale in (8, 4, 2) if possible >= scale), 1)


def centre(size: tuple[int, int], frame: Frame) -> tuple[float, float, float, float]:
    """The square of a picture that the frame shows: left, top, right, bottom."""
    width, height = size
    side = min(size) * frame.crop
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side

"""Whether a figure grows: least squares over the part of a run that is warm. Pure."""

from collections.abc import Sequence

WARM = 0.4
"""The share of a run after which it is warm."""


def slope(points: Sequence[tuple[float, float]]) -> float:
    """How much is added in each unit of time, by the straight line nearest to the points.

    Raises:
        ValueError: there are no two moments to draw a line through.
    """
    if len({at for at, _ in points}) < 2:
        raise ValueError(f"no slope through {len(points)} points: the run was too short")
    middle = sum(at for at, _ in points) / len(points)
    mean = sum(value for _, value in points) / len(points)
    along = sum((at - middle) ** 2 for at, _ in points)
    return sum((at - middle) * (value - mean) for at, value in points) / along


def warm(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Those of the warm part."""
    first, last = points[0][0], points[-1][0]
    return [point for point in points if point[0] >= first + WARM * (last - first)]

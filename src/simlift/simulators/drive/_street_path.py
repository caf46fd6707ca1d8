"""Compute places along a street: a centre line that bends gently.

The line starts at the origin along +x; `offset` counts to the left of it.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from simlift.simulators.building._meshes import Number, Vector

STEP = 0.25  # metres between the samples that the line is integrated over


@dataclass(frozen=True, eq=False)
class Path:
    """Samples of a centre line: distance [n], place [n 2] and heading [n]."""

    distance: Float[np.ndarray, "n"]
    place: Float[np.ndarray, "n 2"]
    heading: Float[np.ndarray, "n"]

    def at(self, distance: Number, offset: Number = 0.0) -> tuple[Float[np.ndarray, "2"], float]:
        """Return the place and the heading at a distance, `offset` metres to the left."""
        heading = float(np.interp(distance, self.distance, self.heading))
        centre = np.array([np.interp(distance, self.distance, axis) for axis in self.place.T])
        return centre + offset * np.array([-np.sin(heading), np.cos(heading)]), heading

    def strip(
        self, start: Number, end: Number, offsets: Vector, heights: Vector
    ) -> Float[np.ndarray, "r c 3"]:
        """Return a grid along the street with one column for each offset, from the right."""
        distances = np.linspace(start, end, max(2, int((end - start) / 2.0) + 1))
        return np.array(
            [
                [(*self.at(d, o)[0], h) for o, h in zip(offsets, heights, strict=True)]
                for d in distances
            ]
        )


def bending_path(start: Number, end: Number, *, turn: Number, around: Number) -> Path:
    """Integrate a line that turns by `turn` radians, most of it near the distance `around`."""
    distance = np.arange(start, end + STEP, STEP)
    heading = turn / (1 + np.exp(-(distance - around) / 9.0))
    heading -= np.interp(0.0, distance, heading)
    steps = STEP * np.stack([np.cos(heading), np.sin(heading)], axis=1)
    place = np.cumsum(steps, axis=0)
    place -= np.array([np.interp(0.0, distance, axis) for axis in place.T])
    return Path(distance, place, heading)

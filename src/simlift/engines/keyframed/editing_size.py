"""Find the size at which an image editor neither stretches nor crops a frame."""

import math

from simlift.pixels.image.letterbox import Letterbox

_MULTIPLE = 32


def editor_rule(pixels: int, ratio: float) -> tuple[int, int]:
    """Return (height, width) that Qwen's pipelines give to an image of a ratio (width / height)."""
    width = math.sqrt(pixels * ratio)
    height = width / ratio
    return round(height / _MULTIPLE) * _MULTIPLE, round(width / _MULTIPLE) * _MULTIPLE


def editing_size(height: int, width: int, pixels: int) -> Letterbox:
    """Return how frames lie in the editor's image: scaled in both axes alike, borders repeated.

    The pipelines resize whatever they are given by their rule, which distorts most ratios by about
    a percent. So among the sizes that the rule leaves as they are, the one of the nearest ratio is
    taken, and what is left of it is padded.
    """
    ratio, rows = width / height, round(math.sqrt(pixels * height / width) / _MULTIPLE)
    sizes = []
    for row in range(max(rows - 8, 1), rows + 9):
        for column in range(max(round(row * ratio) - 2, 1), round(row * ratio) + 3):
            size = row * _MULTIPLE, column * _MULTIPLE
            if editor_rule(pixels, column / row) == size:
                sizes.append(size)
    if not sizes:
        sizes = [editor_rule(pixels, ratio)]
    best = min(sizes, key=lambda s: (abs(math.log(s[1] / s[0] / ratio)), abs(s[0] * s[1] - pixels)))
    scale = min(best[0] / height, best[1] / width)
    inner = min(round(height * scale), best[0]), min(round(width * scale), best[1])
    return Letterbox(height, width, max(inner[0], 1), max(inner[1], 1), *best)

"""Apply colour transfer by class in a compiled loop: codes [h w 3] to bytes [h w 3]."""

import numpy as np

from simlift.pixels._compile import compiled

_ZERO, _ONE, _HALF = np.float32(0), np.float32(1), np.float32(0.5)
_TOP, _WHOLE = np.float32(65535), np.float32(255)
_SOFT = np.float32(3)


@compiled
def apply_class_transfer(codes, maps, held, highlight):
    """Blend affine maps [c+1 3 4] by the shares `held` uint8 [c h w]; the first takes the rest."""
    height, width = codes.shape[:2]
    out = np.empty((height, width, 3), np.uint8)
    blended = np.empty((3, 4), np.float32)
    for y in range(height):
        for x in range(width):
            r = np.float32(codes[y, x, 0]) / _TOP
            g = np.float32(codes[y, x, 1]) / _TOP
            b = np.float32(codes[y, x, 2]) / _TOP
            left = _WHOLE
            for c in range(held.shape[0]):
                left -= np.float32(held[c, y, x])
            left = max(left, _ZERO)
            total = left
            for c in range(held.shape[0]):
                total += np.float32(held[c, y, x])
            for i in range(3):
                for j in range(4):
                    value = maps[0, i, j] * left
                    for c in range(held.shape[0]):
                        if held[c, y, x] > 0:
                            value += maps[c + 1, i, j] * np.float32(held[c, y, x])
                    blended[i, j] = value / total
            t = min(max((max(r, g, b) - highlight) / (_ONE - highlight), _ZERO), _ONE)
            own = t * t * (_SOFT - t - t)
            for i in range(3):
                new = blended[i, 0] * r + blended[i, 1] * g + blended[i, 2] * b + blended[i, 3]
                old = r if i == 0 else (g if i == 1 else b)
                value = new + own * (old - new)
                out[y, x, i] = np.uint8(min(max(value, _ZERO), _ONE) * _WHOLE + _HALF)
    return out

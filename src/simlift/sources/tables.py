"""Read the plain tables of numbers and names that data sets put beside their images."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from simlift.core.errors import ClipError
from simlift.core.layers import Array


def lines(path: Path) -> list[str]:
    """Return the lines of a text file; ClipError where it is none."""
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ClipError(path, f"cannot be read as text ({error})", allowed="UTF-8") from error


def rows(path: Path, columns: int | None = None) -> Iterator[list[str]]:
    """Yield the words of each line that is neither empty nor a comment (#).

    ClipError names a line with another number of words than `columns`.
    """
    for number, line in enumerate(lines(path), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if columns is not None and len(words) != columns:
            raise ClipError(
                path,
                f"line {number} holds {len(words)} words",
                allowed=f"{columns}",
                way_out="restore the file",
            )
        yield words


def floats(words: list[str], path: Path) -> list[float]:
    """Return words as numbers; ClipError names one that is none."""
    try:
        return [float(word) for word in words]
    except ValueError as error:
        raise ClipError(path, f"holds a word that is no number ({error})") from error


def nanoseconds(word: str, path: Path) -> int:
    """Return a time that is written in seconds, such as 1305031102.8604, in nanoseconds."""
    whole, _, fraction = word.partition(".")
    if not (whole.isdecimal() and (not fraction or fraction.isdecimal())):
        try:
            return round(Fraction(word) * 10**9)
        except ValueError as error:
            raise ClipError(path, f"holds a time that is no number: {word!r}") from error
    return int(whole) * 10**9 + int(f"{fraction[:9]:0<9}")


def matrix(values: list[float], shape: tuple[int, int], path: Path) -> Array:
    """Return numbers as a matrix of doubles; ClipError where their count is another."""
    if len(values) != shape[0] * shape[1]:
        raise ClipError(
            path, f"holds a matrix of {len(values)} numbers", allowed=f"{shape[0]} by {shape[1]}"
        )
    return np.array(values, dtype=np.float64).reshape(shape)

"""Define the errors that a user can act on: where, what was found, what is allowed, the way out.

SimliftError
    InputError            a file or value given by the user cannot be used
        ClipError         a clip cannot be read as one
        RecipeError       a recipe, look or gate is not valid
    RunError              a run folder cannot be filled (locked, another recipe, disk)
    MissingLibrary        an optional library is not installed
"""


class SimliftError(Exception):
    """The root of every error that is the user's to solve; its text is complete on its own."""


class InputError(SimliftError, ValueError):
    """State where the value stands, what was found, what is allowed, and the way out."""

    def __init__(self, where: object, found: str, *, allowed: str = "", way_out: str = "") -> None:
        parts = [f"{where}: {found}"]
        if allowed:
            parts.append(f"allowed: {allowed}")
        if way_out:
            parts.append(f"way out: {way_out}")
        super().__init__("; ".join(parts))


class ClipError(InputError):
    """A clip, or one of its layers, cannot be read."""


class RecipeError(InputError):
    """A recipe, look, gate or engine name is not valid."""


class RunError(InputError):
    """A run folder cannot be used or filled."""


class MissingLibrary(SimliftError, ImportError):
    """An optional library is needed and absent."""

    def __init__(self, library: str, purpose: str, extra: str) -> None:
        super().__init__(f"{purpose} needs {library}; way out: pip install 'simlift[{extra}]'")

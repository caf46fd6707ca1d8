"""Define the verbs that list engines and looks, and what can be set of each."""

from typing import Annotated

import tyro

from simlift.cli import options

_Name = tyro.conf.Positional[Annotated[str | None, tyro.conf.arg(metavar="[NAME]")]]


def engines(name: _Name = None, /) -> int:
    """List the engines, or every setting of one.

    Args:
        name: An engine, or your own as module:Class.
    """
    from simlift.passes.catalogue import print_engine, print_engines

    if name is None:
        print_engines(options.out)
    else:
        print_engine(name, options.out)
    return 0


def looks(name: _Name = None, /) -> int:
    """List the named looks, or every field of one with its unit and range.

    Args:
        name: A named look, a look's JSON file, a group of fields such as light, or "fields" for
            all groups.
    """
    from simlift.passes.catalogue import print_look, print_looks

    if name is None:
        print_looks(options.out)
    else:
        print_look(name, options.out)
    return 0

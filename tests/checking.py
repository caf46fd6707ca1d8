"""A function -> the same function, its annotated arguments and results checked at every call."""

from beartype import BeartypeConf, beartype

# As PEP 484 says, a whole number will do where a float is asked for.
checked = beartype(conf=BeartypeConf(is_pep484_tower=True))

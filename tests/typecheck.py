"""The type checker of the tests: beartype, to which an int is a float as it is to every other type checker."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))

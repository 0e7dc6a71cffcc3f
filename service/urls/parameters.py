"""What stands behind the question mark of a connection URL: understood, left out, or refused by name."""

import re
from collections.abc import Mapping

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,40}")
_YES = frozenset({"true", "1", "yes", "on"})
_NO = frozenset({"false", "0", "no", "off"})


class WrongParameter(Exception):  # noqa: N818 - an answer to who wrote the URL
    """A parameter isn't known or takes something else; the message goes on after "DATABASE_URL takes ..."."""


def unknown(name: str) -> WrongParameter:
    """The error for a parameter that nothing here understands. What can't be a name may be half of a password."""
    shown = f"no parameter {name}; leave it out" if _NAME.fullmatch(name) else "no such parameters as it has"
    return WrongParameter(shown)


def one_of(name: str, value: str, *choices: str) -> str:
    """The value, if it is one of these."""
    if value not in choices:
        raise WrongParameter(" or ".join(f"{name}={choice}" for choice in choices))
    return value


def yes_or_no(name: str, value: str) -> bool:
    if value.lower() not in _YES | _NO:
        raise WrongParameter(f"{name}=true or {name}=false")
    return value.lower() in _YES


def whole_number(name: str, value: str, most: int = 2**31 - 1) -> int:
    if not re.fullmatch(r"[0-9]{1,10}", value) or int(value) > most:
        raise WrongParameter(f"a whole number up to {most} as {name}")
    return int(value)


def last_of_each(query: tuple[tuple[str, str], ...]) -> Mapping[str, str]:
    """Of what is said twice the last counts, as in libpq; what is empty isn't said."""
    return {name: value for name, value in query if value}

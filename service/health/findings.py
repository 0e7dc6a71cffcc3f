"""A finding: one thing that was looked at, how it is, and what to do about it."""

from enum import StrEnum

from msgspec import Struct

SHOWN = 5
"""How many ids a finding names."""


class Health(StrEnum):
    """Wrong fails the visit; unknown doesn't."""

    OK = "ok"
    WRONG = "wrong"
    UNKNOWN = "unknown"


class Finding(Struct, frozen=True):
    """One thing that was looked at, and what to do about it if it is wrong."""

    check: str
    health: Health
    message: str
    remedy: str | None = None


def ok(check: str, message: str) -> Finding:
    return Finding(check, Health.OK, message)


def wrong(check: str, message: str, remedy: str) -> Finding:
    return Finding(check, Health.WRONG, message, remedy)


def unknown(check: str, message: str) -> Finding:
    return Finding(check, Health.UNKNOWN, message)


def named(check: str, ids: list[str], *, none: str, some: str, remedy: str) -> Finding:
    """Wrong if there are any ids, and then with the first of them."""
    if not ids:
        return ok(check, none)
    more = " and perhaps more" if len(ids) == SHOWN else ""
    return wrong(check, f"{some}: {', '.join(ids)}{more}", remedy)

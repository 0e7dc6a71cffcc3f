"""Ids are made here, not in the database: PostgreSQL 15 to 18 have no common function for sortable ones."""

import re
import secrets
import time

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32, in lower case: nothing in it is mistaken for another letter."""

ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def is_id(text: str) -> bool:
    """Whether this can be an id at all, ours or an older system's; what can't isn't looked up."""
    return ID.fullmatch(text) is not None


def new_id(prefix: str) -> str:
    """An unguessable id that sorts by its time of birth: `prefix_`, 48 bits of milliseconds, 80 random bits."""
    number = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    digits = [ALPHABET[number >> shift & 31] for shift in range(125, -1, -5)]
    return f"{prefix}_{''.join(digits)}"

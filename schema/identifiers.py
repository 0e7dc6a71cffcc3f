"""Ids are made here, not in the database: PostgreSQL 15 to 18 have no common function for sortable ones."""

import secrets
import time

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base 32, in lower case: nothing in it is mistaken for another letter."""


def new_id(prefix: str) -> str:
    """An unguessable id that sorts by its time of birth: `prefix_`, 48 bits of milliseconds, 80 random bits."""
    number = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    digits = [ALPHABET[number >> shift & 31] for shift in range(125, -1, -5)]
    return f"{prefix}_{''.join(digits)}"

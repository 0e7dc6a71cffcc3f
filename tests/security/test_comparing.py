"""Secrets are never compared letter by letter: how long that takes would tell how many are right."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.database.statements import load_queries

ROOMS = ("schema", "service", "actors")
ROOT = Path(__file__).parents[2]

SECRET = re.compile(r"(?i)token|signature|secret|digest|password|api_key|hmac|hash|otp|credential")
ORDINARY = re.compile(r"lease_token|LONGEST_TOKEN|token_type")
"""The fencing token is a count, no secret."""

KNOWN = {
    # A model's file against the checksum in our own list: both are public.
    ("actors/engines/local/models.py", "hashlib.file_digest(content, 'sha256').hexdigest() == file.sha256"),
}


def comparisons(source: str) -> Iterator[str]:
    """Every `==`, `!=`, `in`, `.startswith` of two things one of which is named like a secret."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Compare):
            continue
        pairs = zip([node.left, *node.comparators], node.ops, node.comparators, strict=False)
        for left, operator, right in pairs:
            constant = isinstance(left, ast.Constant) or isinstance(right, ast.Constant)
            names = ORDINARY.sub("", f"{ast.unparse(left)} {ast.unparse(right)}")
            letters = isinstance(operator, ast.Eq | ast.NotEq)
            if letters and not constant and SECRET.search(names):
                yield ast.unparse(node)


def test_secrets_are_compared_in_constant_time() -> None:
    found = {
        (file.relative_to(ROOT).as_posix(), text)
        for room in ROOMS
        for file in (ROOT / room).rglob("*.py")
        for text in comparisons(file.read_text())
    }
    assert found == KNOWN


@pytest.mark.parametrize("bad", ["signature == expected", "if given != self._secret: ...", "a.api_key == b"])
def test_a_comparison_would_be_found(bad: str) -> None:
    assert list(comparisons(bad))


@pytest.mark.parametrize(
    "good", ["hmac.compare_digest(a_token, b)", "len(x) > 3", "held.lease_token == row.lease_token"]
)
def test_others_are_let_be(good: str) -> None:
    assert not list(comparisons(good))


def test_keys_are_looked_up_by_their_hash() -> None:
    """The table's index compares hashes; what somebody learns of one by timing tells nothing of the key."""
    for query in load_queries("accounts").values():
        assert "api_key" not in query.parameters
    assert "key_hash IN (SELECT decode(" in load_queries("accounts")["users_of_keys"].sql

"""What a run of pip-audit amounts to: a package that nobody answered for is no package without vulnerabilities."""

import json
from typing import Any

import pytest

from tests.security.audit import CLEAN, INCOMPLETE, WRONG, judge

FINE: dict[str, Any] = {"name": "click", "version": "8.3.0", "vulns": []}
SKIPPED: dict[str, Any] = {"name": "idna", "skip_reason": "Dependency not found on PyPI and could not be audited"}
KNOWN: dict[str, Any] = {
    "name": "urllib3",
    "version": "1.26.4",
    "vulns": [{"id": "PYSEC-2021-108", "fix_versions": ["1.26.5"], "aliases": [], "description": "ReDoS"}],
}
AWAY = "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='x', port=443): Max retries exceeded"


def printed(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


@pytest.mark.parametrize(
    ("exit_code", "output", "said", "expected", "told"),
    [
        (0, printed(FINE, FINE), "No known vulnerabilities found", CLEAN, "2 packages, no known vulnerabilities"),
        (
            1,
            printed(FINE, KNOWN),
            "Found 1 known vulnerability",
            WRONG,
            "urllib3 1.26.4: PYSEC-2021-108, fixed in 1.26.5",
        ),
        (1, printed(SKIPPED, KNOWN), "", WRONG, "urllib3 1.26.4: PYSEC-2021-108, fixed in 1.26.5"),
        (
            0,
            printed(FINE, SKIPPED),
            "No known vulnerabilities found",
            INCOMPLETE,
            "1 of 2 packages were not audited: idna",
        ),
        (0, printed(SKIPPED), "No known vulnerabilities found", INCOMPLETE, "NOTHING WAS AUDITED: the service"),
        (0, printed(), "No known vulnerabilities found", INCOMPLETE, "NOTHING WAS AUDITED"),
        (1, "", AWAY, INCOMPLETE, "NOTHING WAS AUDITED: pip-audit or its service can't be reached"),
        (1, "", "ERROR:pip_audit._cli:requirements-dev.lock: invalid requirement", WRONG, "ERROR:pip_audit"),
        (2, "", "", WRONG, "pip-audit failed (exit 2)"),
    ],
    ids=[
        "clean",
        "known",
        "known and skipped",
        "some skipped",
        "all skipped",
        "none",
        "away",
        "a bad lock",
        "no words",
    ],
)
def test_what_an_audit_amounts_to(exit_code: int, output: str, said: str, expected: int, told: str) -> None:
    verdict = judge(exit_code, output, said)
    assert verdict.exit_code == expected
    assert verdict.lines[0].startswith(told)

"""Known vulnerabilities of the locked packages: `python -m tests.security.audit`, which is `make audit`.

Exit 0: every package was looked up, and nothing is known against any. 1: something is, or the audit itself failed.
3: not every package could be looked up (0 with --may-be-unreachable), which is said in a line. pip-audit itself exits 0
when its service knows none of the packages.
"""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

VERSION = "2.10.1"
LOCK = Path("requirements-dev.lock")
UNREACHABLE = re.compile(r"ConnectionError|ConnectTimeout|ReadTimeout|ServiceError|Could not connect|Failed to fetch")
"""In the words of pip-audit, or of uv that fetches it."""

CLEAN, WRONG, INCOMPLETE = 0, 1, 3


class Verdict(NamedTuple):
    """How an audit ended, and what to say."""

    exit_code: int
    lines: list[str]


def judge(exit_code: int, printed: str, said: str) -> Verdict:
    """What a run of pip-audit with JSON output amounts to; `said` is what went to its standard error."""
    try:
        packages: list[dict[str, Any]] = json.loads(printed)["dependencies"]
    except (ValueError, KeyError):
        if UNREACHABLE.search(said):
            return Verdict(INCOMPLETE, ["NOTHING WAS AUDITED: pip-audit or its service can't be reached"])
        return Verdict(WRONG, [*said.splitlines()[-5:], f"pip-audit failed (exit {exit_code})"])
    known = [
        f"{package['name']} {package['version']}: {found['id']}, fixed in {', '.join(found['fix_versions']) or 'none'}"
        for package in packages
        for found in package.get("vulns", [])
    ]
    if known:
        return Verdict(WRONG, known)
    skipped = [str(package["name"]) for package in packages if "skip_reason" in package]
    if packages and not skipped:
        return Verdict(CLEAN, [f"{len(packages)} packages, no known vulnerabilities"])
    if len(skipped) == len(packages):
        return Verdict(INCOMPLETE, ["NOTHING WAS AUDITED: the service that was asked knows none of the packages"])
    return Verdict(INCOMPLETE, [f"{len(skipped)} of {len(packages)} packages were not audited: {', '.join(skipped)}"])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--service", choices=["pypi", "osv"], default="pypi", help="whom to ask")
    parser.add_argument("--may-be-unreachable", action="store_true", help="say so, and exit 0")
    options = parser.parse_args()
    uv = Path(sys.executable).with_name("uv")
    command = [uv, "tool", "run", "--quiet", f"pip-audit=={VERSION}", "--disable-pip", "--require-hashes"]
    command += ["--progress-spinner", "off", "--format", "json", "--vulnerability-service", options.service]
    audit = subprocess.run([*command, "--requirement", LOCK], capture_output=True, text=True, check=False)
    verdict = judge(audit.returncode, audit.stdout, audit.stderr)
    print("\n".join(f"audit: {line}" for line in verdict.lines), file=sys.stderr)
    sys.exit(CLEAN if verdict.exit_code == INCOMPLETE and options.may_be_unreachable else verdict.exit_code)


if __name__ == "__main__":
    main()

"""Run uv with pip's settings: `python pip_to_uv.py .venv/bin/uv pip install ...`.

uv knows nothing of pip.conf and PIP_*: a company's index, a mirror, certificates of its own. Where pip can install
Darkroom uv shall too, so pip is asked what it would use, and uv is told by its own variables. What is set for uv wins.
Needs nothing but Python: it runs before anything is installed.
"""

import ast
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

SECTIONS = ("global", "install", ":env:")
"""From the weakest to the strongest, as pip reads them for `pip install`."""

ON = {"1", "true", "yes", "on"}


def pip_settings() -> dict[str, str]:
    """What `pip install` would go by."""
    told = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    return settings_in(told)


def settings_in(told: str) -> dict[str, str]:
    """The settings that `pip config list` told, each a line like `global.index-url='...'`."""
    found: dict[str, dict[str, str]] = {section: {} for section in SECTIONS}
    for line in told.splitlines():
        name, _, value = line.partition("=")
        section, _, key = name.rpartition(".")
        if section in found:
            found[section][key.removeprefix("default-")] = str(ast.literal_eval(value))
    return {key: value for section in SECTIONS for key, value in found[section].items()}


def uv_variables(pip: Mapping[str, str]) -> dict[str, str]:
    """The same for uv."""
    told: dict[str, str] = {}
    # pip's Python trusts the machine's certificates, uv the ones it brings.
    told["UV_SYSTEM_CERTS"] = "1"
    if index := pip.get("index-url"):
        told["UV_DEFAULT_INDEX"] = index
    if more := pip.get("extra-index-url"):
        told["UV_INDEX"] = " ".join(more.split())
        # To pip no index comes first. What may be installed is held by the lock's hashes, whoever serves it.
        told["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    if links := pip.get("find-links"):
        told["UV_FIND_LINKS"] = ",".join(links.split())
    if hosts := pip.get("trusted-host"):
        told["UV_INSECURE_HOST"] = " ".join(hosts.split())
    if cert := pip.get("cert"):
        told["SSL_CERT_FILE"] = cert
    if client_cert := pip.get("client-cert"):
        told["SSL_CLIENT_CERT"] = client_cert
    if proxy := pip.get("proxy"):
        told["ALL_PROXY"] = proxy
    if timeout := pip.get("timeout"):
        told["UV_HTTP_TIMEOUT"] = timeout
    if pip.get("keyring-provider") == "subprocess":
        told["UV_KEYRING_PROVIDER"] = "subprocess"
    return told


def can_keep_a_cache(environment: Mapping[str, str]) -> bool:
    """Whether uv can write where it keeps what it downloads. Pip goes without where it can't, as without a home."""
    try:
        caches = Path(environment.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
        place = Path(environment.get("UV_CACHE_DIR") or caches / "uv")
        place.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # the latter: nobody knows of a home
        return False
    return os.access(place, os.W_OK | os.X_OK)


def main(command: list[str]) -> None:
    """Become uv."""
    pip = pip_settings()
    told = {name: value for name, value in uv_variables(pip).items() if name not in os.environ}
    if pip.get("no-index", "").lower() in ON:
        command.append("--no-index")
    if not can_keep_a_cache(os.environ):
        command.append("--no-cache")
    if not sys.stderr.isatty():
        command.append("--quiet")
    if passed := sorted(name for name in told if name != "UV_SYSTEM_CERTS"):
        print(f"From pip's settings: {', '.join(passed)}", file=sys.stderr, flush=True)
    os.execve(command[0], command, {**os.environ, **told})


if __name__ == "__main__":
    main(sys.argv[1:])

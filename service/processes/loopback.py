"""A proxy that the environment names is for other machines: what listens on this one is spoken to directly."""

from collections.abc import MutableMapping

LOOPBACK = ("localhost", "127.0.0.1", "::1")
PROXIES = ("http_proxy", "https_proxy", "all_proxy")
EXCEPTIONS = ("no_proxy", "NO_PROXY")
"""Some clients look at the one first, some at the other."""


def reach_loopback_directly(environ: MutableMapping[str, str]) -> None:
    """Except this machine from the proxies, for every client in this process and its children."""
    if not any(environ.get(name) or environ.get(name.upper()) for name in PROXIES):
        return
    said = [one.strip() for name in EXCEPTIONS for one in environ.get(name, "").split(",")]
    excepted = ",".join(dict.fromkeys(one for one in (*said, *LOOPBACK) if one))
    for name in EXCEPTIONS:
        environ[name] = excepted

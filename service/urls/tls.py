"""The TLS of a database's URL, as libpq means it."""

import ssl
from collections.abc import Mapping
from os import environ
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from service.urls.parameters import WrongParameter, one_of, yes_or_no

MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
VERSIONS: Final = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
SYSTEM: Final = "system"
FILES: Final = ("sslrootcert", "sslcert", "sslkey", "sslcrl", "sslpassword")


def read_tls(said: dict[str, str]) -> dict[str, Any]:
    """Take what is about TLS out of the parameters, for asyncpg's `connect`.

    asyncpg does it as libpq does, but for one thing: a certificate that has to be judged without a root certificate to
    judge it by. libpq has `sslrootcert=system` for that; hosts print `sslmode=verify-full` alone and mean the same.

    Raises:
        WrongParameter: what they ask for can't be had.
    """
    mode = _mode(said)
    files = {name: said.pop(name) for name in FILES if name in said}
    versions = {
        name: one_of(name, said.pop(name), *VERSIONS)
        for name in ("ssl_min_protocol_version", "ssl_max_protocol_version")
        if name in said
    }
    negotiation = one_of("sslnegotiation", said.pop("sslnegotiation", "postgres"), "postgres", "direct")
    direct = {"direct_tls": True} if negotiation == "direct" else {}
    if direct and mode not in MODES[3:]:
        raise WrongParameter("sslmode=require with sslnegotiation=direct")
    if mode == "disable":
        return {"ssl": mode}
    _judge(files)
    if mode in MODES[4:] and _root(files) is None:
        return {"ssl": _system_context(mode, files, versions), **direct}
    dsn = {"dsn": "postgresql:///?" + urlencode(files | versions)} if files or versions else {}
    return {"ssl": mode, **dsn, **direct}


def _mode(said: dict[str, str]) -> str | None:
    mode = said.pop("sslmode", None)
    if mode is not None:
        one_of("sslmode", mode, *MODES)
    # libpq takes JDBC's `ssl=true`; Prisma's `sslaccept` tells whether the certificate is judged.
    asked = yes_or_no("ssl", said.pop("ssl", "false"))
    accept = one_of("sslaccept", said.pop("sslaccept", "accept_invalid_certs"), "strict", "accept_invalid_certs")
    if accept == "strict" and mode in {None, "prefer", "require"}:
        mode = "verify-full"
    if said.get("sslrootcert") == SYSTEM:
        if mode not in {None, "verify-full"}:
            raise WrongParameter("sslmode=verify-full with sslrootcert=system")
        mode = "verify-full"
    return mode or ("require" if asked else None)


def _root(files: Mapping[str, str]) -> str | None:
    """The root certificate by which the server's is judged; None means the system's."""
    said = files.get("sslrootcert") or environ.get("PGSSLROOTCERT")
    if said:
        return None if said == SYSTEM else said
    try:
        usual = Path.home() / ".postgresql/root.crt"
    except RuntimeError:
        return None
    return str(usual) if usual.exists() else None


def _judge(files: Mapping[str, str]) -> None:
    """Load what the parameters name: OpenSSL's errors are OSErrors, and would pass for a server that is away."""
    for name in ("sslrootcert", "sslcrl"):
        if files.get(name, SYSTEM) != SYSTEM:
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=files[name])
            except OSError:
                raise WrongParameter(f"a file of certificates that can be read as {name}") from None
    if "sslcert" in files:
        try:
            _add_client_certificate(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), files)
        except OSError:
            raise WrongParameter("a certificate and its key that can be read as sslcert and sslkey") from None


def _add_client_certificate(context: ssl.SSLContext, files: Mapping[str, str]) -> None:
    context.load_cert_chain(files["sslcert"], files.get("sslkey"), password=lambda: files.get("sslpassword", ""))


def _system_context(mode: str | None, files: Mapping[str, str], versions: Mapping[str, str]) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = mode == "verify-full"
    context.set_alpn_protocols(["postgresql"])
    if "sslcert" in files:
        _add_client_certificate(context, files)
    if "sslcrl" in files:
        context.load_verify_locations(cafile=files["sslcrl"])
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    context.minimum_version = _version(versions.get("ssl_min_protocol_version", "TLSv1.2"))
    context.maximum_version = _version(versions.get("ssl_max_protocol_version", "TLSv1.3"))
    return context


def _version(name: str) -> ssl.TLSVersion:
    return ssl.TLSVersion[name.replace(".", "_")]

"""REDIS_URL as hosts print it, for redis-py.

redis-py hands what it doesn't know to its connections, which then fail at each command; and what it knows overrides
what is asked of a connection here: how long it may be silent, and which answers it takes.
"""

import ssl
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote, urlencode

from service.urls.parameters import WrongParameter, last_of_each, one_of, unknown, whole_number, yes_or_no
from service.urls.splitting import Host, NotAUrl, Url, decoded, split_url

SCHEMES: Final = ("redis", "rediss", "unix")

LEFT_OUT: Final = frozenset(
    {
        "socket_timeout", "socket_connect_timeout", "socket_read_size", "socket_keepalive", "timeout",
        "retry_on_timeout", "retry_on_error", "max_connections", "health_check_interval", "encoding",
        "encoding_errors", "decode_responses", "legacy_responses",
    }
)  # fmt: skip
"""redis-py's, and each client's own business here."""

ONE_WAY: Final[Mapping[str, tuple[str, ...]]] = {
    # ioredis: which kind of address; every kind is tried here.
    "family": ("0", "4", "6"),
    # Answers come in the form that each client here reads.
    "protocol": ("2", "3"),
}

CERT_REQS: Final[Mapping[str, str]] = {
    "none": "none",
    "optional": "optional",
    "required": "required",
    # Celery's spelling
    "CERT_NONE": "none",
    "CERT_OPTIONAL": "optional",
    "CERT_REQUIRED": "required",
}


def _cert_reqs(name: str, value: str) -> str:
    one_of(name, value, *CERT_REQS)
    return CERT_REQS[value]


def _flag(name: str, value: str) -> str:
    return str(yes_or_no(name, value))


def _ciphers(name: str, value: str) -> str:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).set_ciphers(value)
    except ssl.SSLError:
        raise WrongParameter(f"ciphers that OpenSSL knows as {name}") from None
    return value


def _tls_version(name: str, value: str) -> str:
    """As redis-py takes it: the number of Python's `ssl.TLSVersion`."""
    return one_of(name, value, *(str(version.value) for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)))


def _as_it_is(_: str, value: str) -> str:
    return value


TLS: Final[Mapping[str, Callable[[str, str], str]]] = {
    "ssl_cert_reqs": _cert_reqs,
    "ssl_check_hostname": _flag,
    "ssl_ca_certs": _as_it_is,
    "ssl_ca_path": _as_it_is,
    "ssl_certfile": _as_it_is,
    "ssl_keyfile": _as_it_is,
    "ssl_password": _as_it_is,
    "ssl_min_version": _tls_version,
    "ssl_ciphers": _ciphers,
}


def read_redis_url(text: str) -> str:
    """The URL for redis-py's `from_url`, with nothing in it that a client of ours wouldn't take.

    Raises:
        NotAUrl: it is no URL of a Redis.
        WrongParameter: one of its parameters isn't known, or takes something else.
    """
    url = split_url(text)
    if url.scheme not in SCHEMES or url.fragment is not None or len(url.hosts) != 1 or "@" in text.partition("?")[2]:
        raise NotAUrl("no URL of a Redis")
    said = dict(last_of_each(url.query))
    username, password = said.pop("username", url.username), said.pop("password", url.password)
    database = said.pop("db", None)
    number = None if database is None else whole_number("db", database)
    if url.scheme != "unix" and number is None:
        number = _database(url.path)
    kept = _parameters(url.scheme, said)
    if number is not None and url.scheme == "unix":
        kept["db"] = str(number)
    query = f"?{urlencode(kept)}" if kept else ""
    return f"{url.scheme}://{_userinfo(username, password)}{_place(url, number)}{query}"


def _database(path: str) -> int | None:
    number = decoded(path.removeprefix("/"))
    if number and not (number.isascii() and number.isdigit()):
        raise NotAUrl("no number of a database")
    return int(number) if number else None


def _parameters(scheme: str, said: Mapping[str, str]) -> dict[str, str]:
    kept: dict[str, str] = {}
    for name, value in said.items():
        if name in TLS:
            if scheme != "rediss":
                raise WrongParameter(f"rediss:// with {name}")
            kept[name] = TLS[name](name, value)
        elif name == "client_name":
            kept[name] = value
        elif name in ONE_WAY:
            one_of(name, value, *ONE_WAY[name])
        elif name not in LEFT_OUT:
            raise unknown(name)
    _judge(kept)
    return kept


def _judge(kept: Mapping[str, str]) -> None:
    """Load the certificates that the parameters name: OpenSSL's errors would pass for a Redis that is away."""
    if not {"ssl_ca_certs", "ssl_ca_path", "ssl_certfile"} & kept.keys():
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if "ssl_ca_certs" in kept or "ssl_ca_path" in kept:
            context.load_verify_locations(cafile=kept.get("ssl_ca_certs"), capath=kept.get("ssl_ca_path"))
    except OSError:
        raise WrongParameter("certificates that can be read as ssl_ca_certs or ssl_ca_path") from None
    try:
        if "ssl_certfile" in kept:
            context.load_cert_chain(
                kept["ssl_certfile"], kept.get("ssl_keyfile"), password=lambda: kept.get("ssl_password", "")
            )
    except OSError:
        raise WrongParameter("a certificate and its key that can be read as ssl_certfile and ssl_keyfile") from None


def _userinfo(username: str | None, password: str | None) -> str:
    if not username and not password:
        return ""
    secret = f":{quote(password, safe='')}" if password else ""
    return f"{quote(username or '', safe='')}{secret}@"


def _place(url: Url, number: int | None) -> str:
    if url.scheme == "unix":
        if not url.path.startswith("/") or url.hosts[0] != Host(""):
            raise NotAUrl("no path of a socket")
        return quote(decoded(url.path))
    host = url.hosts[0]
    name = f"[{host.name}]" if ":" in host.name else quote(host.name, safe="")
    port = f":{host.port}" if host.port is not None else ""
    return f"{name}{port}" + (f"/{number}" if number is not None else "")

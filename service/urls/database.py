"""DATABASE_URL as hosts print it: what libpq would make of it, for asyncpg.

asyncpg sends what it doesn't know to the server, which then refuses each connection. Here each parameter is one that
libpq knows and asyncpg can do, one that only tells another program how to connect, or an error at the start.
"""

import getpass
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from service.urls.parameters import WrongParameter, last_of_each, one_of, unknown, whole_number, yes_or_no
from service.urls.splitting import Host, NotAUrl, Url, decoded, split_hosts, split_ports, split_url
from service.urls.tls import read_tls

POOLER_PORT: Final = 6543
"""Where Supabase and its like listen with a transaction pooler."""

DEFAULT_PORT: Final = 5432

SCHEMES: Final = ("postgresql", "postgres")
"""Also with a driver's name behind a plus, as SQLAlchemy writes it."""

LEFT_OUT: Final = frozenset(
    {
        # libpq's: the system's defaults for idle connections are as good, and PostgreSQL binds no channel for asyncpg
        "channel_binding", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count",
        "tcp_user_timeout", "load_balance_hosts", "sslcompression", "sslsni", "sslkeylogfile", "gssdelegation",
        "fallback_application_name", "min_protocol_version", "max_protocol_version",
        # other programs': pools of their own (ours is DATABASE_POOL_SIZE), caches of statements, who printed the URL
        "connection_limit", "pool_timeout", "socket_timeout", "pool_mode", "pool_size", "max_pool_size",
        "statement_cache_size", "prepared_statement_cache_size", "prepareThreshold", "preparedStatementCacheQueries",
        "pgbouncer_mode", "single_use_connections", "supa", "workaround", "uselibpqcompat", "connect_retries",
    }
)  # fmt: skip

ONE_WAY: Final[Mapping[str, tuple[str, ...]]] = {
    "gssencmode": ("disable", "prefer"),
    "sslcertmode": ("allow", "disable"),
    "client_encoding": ("utf8", "UTF8", "utf-8", "UTF-8", "auto"),
    "replication": ("false", "off", "no", "0"),
}
"""Parameters with values that change nothing here, and others that asyncpg can't do."""

SERVER_SETTINGS: Final = frozenset(
    {
        "application_name", "options", "search_path", "statement_timeout", "lock_timeout",
        "idle_in_transaction_session_timeout", "timezone", "TimeZone", "role",
    }
)  # fmt: skip
"""What the server is told when a connection begins."""


class DatabaseUrl(Struct, frozen=True):
    """A connection URL, understood."""

    arguments: Mapping[str, Any]
    """For asyncpg's `connect` and `Pool`."""
    ports: frozenset[int]
    pooled: bool
    """It says that a transaction pooler stands there, or names the port where one listens."""
    connect_timeout: float | None
    """Seconds."""


def read_database_url(text: str) -> DatabaseUrl:
    """Understand a URL.

    Raises:
        NotAUrl: it is no URL of a PostgreSQL.
        WrongParameter: one of its parameters is no libpq's, or can't be kept.
    """
    url = split_url(text)
    scheme, plus, driver = url.scheme.partition("+")
    # What stands behind an @ or a # that isn't encoded is the rest of a password.
    rest = text.partition("?")[2]
    if scheme not in SCHEMES or (plus and not driver.isalnum()) or url.fragment is not None or "@" in url.path + rest:
        raise NotAUrl("no URL of a PostgreSQL")
    said = dict(last_of_each(url.query))
    hosts = _hosts(url, said)
    ports = frozenset(host.port or DEFAULT_PORT for host in hosts)
    pgbouncer = said.pop("pgbouncer", None)
    pooled = POOLER_PORT in ports if pgbouncer is None else yes_or_no("pgbouncer", pgbouncer)
    timeout = whole_number("connect_timeout", said.pop("connect_timeout", "0"), 3600)
    arguments = {
        **_addresses(hosts),
        **_who(url, said),
        **read_tls(said),
        "server_settings": _server_settings(said) or None,
        **_attributes(said),
    }
    for name, value in said.items():
        if name in ONE_WAY:
            one_of(name, value, *ONE_WAY[name])
        elif name not in LEFT_OUT:
            raise unknown(name)
    return DatabaseUrl(
        arguments={name: value for name, value in arguments.items() if value is not None},
        ports=ports,
        pooled=pooled,
        connect_timeout=timeout if timeout > 0 else None,
    )


def _hosts(url: Url, said: dict[str, str]) -> tuple[Host, ...]:
    """Names and ports; as in libpq the parameters win, and one port counts for all hosts."""
    hosts = url.hosts
    if "host" in said:
        names = said.pop("host").split(",")
        ports = [host.port for host in hosts] if len(hosts) == len(names) else [None] * len(names)
        # A directory of sockets isn't a host's name with a port.
        hosts = tuple(
            Host(name, port) if name.startswith("/") else Host(split_hosts(_bracketed(name))[0].name, port)
            for name, port in zip(names, ports, strict=True)
        )
    if "port" in said:
        ports = list(split_ports(said.pop("port")))
        if len(ports) not in {1, len(hosts)}:
            raise WrongParameter("one port, or as many as there are hosts")
        ports = ports * len(hosts) if len(ports) == 1 else ports
        hosts = tuple(Host(host.name, port) for host, port in zip(hosts, ports, strict=True))
    return hosts


def _bracketed(name: str) -> str:
    return f"[{name}]" if ":" in name and not name.startswith("[") else name


def _addresses(hosts: tuple[Host, ...]) -> dict[str, Any]:
    """Without any name asyncpg looks where libpq does: into PGHOST, then for a socket, then at localhost."""
    if not any(host.name for host in hosts):
        return {"port": hosts[0].port}
    return {
        "host": [host.name or "localhost" for host in hosts],
        "port": [host.port or DEFAULT_PORT for host in hosts],
    }


def _who(url: Url, said: dict[str, str]) -> dict[str, Any]:
    user = said.pop("user", None) or url.username or None
    if user is None and "service" not in said:
        try:
            getpass.getuser()
        except (KeyError, OSError):
            raise WrongParameter("a user, since this process runs as nobody who has a name") from None
    database = said.pop("dbname", None) or said.pop("database", None) or decoded(url.path.removeprefix("/")) or None
    return {
        "user": user,
        "password": said.pop("password", None) or url.password or None,
        "database": database,
        "passfile": said.pop("passfile", None),
        "service": said.pop("service", None),
        "krbsrvname": said.pop("krbsrvname", None),
        "gsslib": one_of("gsslib", said.pop("gsslib"), "gssapi", "sspi") if "gsslib" in said else None,
    }


def _attributes(said: dict[str, str]) -> dict[str, Any]:
    if "target_session_attrs" not in said:
        return {}
    choices = ("any", "read-write", "read-only", "primary", "standby", "prefer-standby")
    return {"target_session_attrs": one_of("target_session_attrs", said.pop("target_session_attrs"), *choices)}


def _server_settings(said: dict[str, str]) -> dict[str, str]:
    settings = {name: said.pop(name) for name in SERVER_SETTINGS & said.keys()}
    # Prisma's word for a search_path; the default one isn't sent, since poolers refuse what they can't keep.
    schema = said.pop("schema", "public")
    if schema != "public" and "search_path" not in settings:
        settings["search_path"] = '"' + schema.replace('"', '""') + '"'
    return settings

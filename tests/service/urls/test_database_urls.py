"""DATABASE_URL as hosts print it: every parameter is understood, left out, or refused by name."""

import ssl
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from service.cli.errors import explain
from service.database import connect, open_pool
from service.database.migrations import SchemaError, migrate
from service.settings import Settings, load_settings
from service.settings.sources import SettingsError
from service.urls.database import LEFT_OUT, ONE_WAY, read_database_url

URL = "postgresql://ann:s3cr3t@db.example/darkroom"


def arguments(more: str) -> dict[str, Any]:
    return dict(read_database_url(f"{URL}?{more}").arguments)


PLAIN = arguments("")

KNOWN: list[tuple[str, dict[str, Any]]] = [
    # Supabase, Neon, Prisma, Vercel, Heroku, Render, SQLAlchemy, JDBC
    ("pgbouncer=true", {}),
    ("pgbouncer=true&connection_limit=1&pool_timeout=20", {}),
    ("sslmode=require&channel_binding=require", {"ssl": "require"}),
    ("sslmode=require&supa=base-pooler.x", {"ssl": "require"}),
    ("options=endpoint%3Dep-cool-1", {"server_settings": {"options": "endpoint=ep-cool-1"}}),
    ("options=-c%20search_path%3Dapp", {"server_settings": {"options": "-c search_path=app"}}),
    ("options=-c+a", {"server_settings": {"options": "-c+a"}}),
    ("schema=public", {}),
    ("schema=my%22app", {"server_settings": {"search_path": '"my""app"'}}),
    ("search_path=app,public", {"server_settings": {"search_path": "app,public"}}),
    ("application_name=darkroom", {"server_settings": {"application_name": "darkroom"}}),
    ("sslaccept=accept_invalid_certs&sslmode=require", {"ssl": "require"}),
    ("ssl=true", {"ssl": "require"}),
    ("ssl=false", {}),
    # libpq
    *[(f"sslmode={mode}", {"ssl": mode}) for mode in ("disable", "allow", "prefer", "require")],
    ("keepalives=1&keepalives_idle=30&keepalives_interval=10&keepalives_count=3&tcp_user_timeout=1000", {}),
    ("gssencmode=disable&client_encoding=UTF8&load_balance_hosts=disable", {}),
    ("connect_timeout=10", {}),
    ("target_session_attrs=read-write", {"target_session_attrs": "read-write"}),
    ("user=bob&password=p%23w&dbname=other", {"user": "bob", "password": "p#w", "database": "other"}),
    ("password=a&password=b", {"password": "b"}),
    ("host=other&port=5433", {"host": ["other"], "port": [5433]}),
    ("host=/run/postgresql&port=6000", {"host": ["/run/postgresql"], "port": [6000]}),
    ("host=a,::1&port=1,2", {"host": ["a", "::1"], "port": [1, 2]}),
    ("host=a,b&port=7", {"host": ["a", "b"], "port": [7, 7]}),
    ("sslmode=require&sslnegotiation=direct", {"ssl": "require", "direct_tls": True}),
    ("passfile=/x", {"passfile": "/x"}),
    ("=&a=", {}),
]  # fmt: skip


@pytest.mark.parametrize(("more", "expected"), KNOWN)
def test_what_a_parameter_means(more: str, expected: dict[str, Any]) -> None:
    assert arguments(more) == PLAIN | expected


@pytest.mark.parametrize("name", sorted(LEFT_OUT))
def test_what_only_others_need_is_left_out(name: str) -> None:
    assert arguments(f"{name}=1") == PLAIN


REFUSED = [
    ("nonsense=1", "takes no parameter nonsense; leave it out"),
    ("require_auth=none", "takes no parameter require_auth; leave it out"),
    ("hostaddr=1.2.3.4", "takes no parameter hostaddr; leave it out"),
    ("a%40b=s3cr3t", "takes no such parameters as it has"),
    ("sslmode=no-verify", "takes sslmode=disable or sslmode=allow or"),
    ("sslmode=VERIFY-FULL", "takes sslmode=disable or"),
    ("gssencmode=require", "takes gssencmode=disable or gssencmode=prefer"),
    ("client_encoding=LATIN1", "takes client_encoding=utf8 or"),
    ("replication=database", "takes replication=false or"),
    ("target_session_attrs=any-old", "takes target_session_attrs=any or"),
    ("pgbouncer=perhaps", "takes pgbouncer=true or pgbouncer=false"),
    ("connect_timeout=soon", "takes a whole number up to 3600 as connect_timeout"),
    ("sslmode=require&sslrootcert=system", "takes sslmode=verify-full with sslrootcert=system"),
    ("sslmode=verify-ca&sslrootcert=/nowhere/ca.pem", "takes a file of certificates that can be read as sslrootcert"),
    ("sslrootcert=/dev/null", "takes a file of certificates that can be read as sslrootcert"),
    ("sslcert=/nowhere/c.pem&sslkey=/nowhere/k.pem", "takes a certificate and its key that can be read as sslcert"),
    ("sslmode=prefer&sslnegotiation=direct", "takes sslmode=require with sslnegotiation=direct"),
    ("ssl_min_protocol_version=TLSv9", "takes ssl_min_protocol_version=TLSv1 or"),
    ("host=a,b&port=1,2,3", "takes one port, or as many as there are hosts"),
    *[(f"{name}=s3cr3t", f"takes {name}=") for name in ONE_WAY],
]


@pytest.mark.parametrize(("more", "words"), REFUSED)
def test_what_cannot_be_kept_is_refused_by_name(more: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"DATABASE_URL": f"{URL}?{more}"}, dotenv=None)
    message = str(caught.value)
    assert message.startswith(f"DATABASE_URL {words}")
    assert "s3cr3t" not in message


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:12?s3cr3t@h/d", "postgresql://u:12/s3cr3t@h/d", "postgresql://u:12#s3cr3t@h/d",
        "postgresql+://h/d", "postgresql+a-b://h/d", "jdbc:postgresql://h/d", "postgresql://h/%ff",
    ],
)  # fmt: skip
def test_the_rest_of_a_password_is_never_a_parameter(url: str) -> None:
    with pytest.raises(SettingsError, match=r"^DATABASE_URL takes postgresql://") as caught:
        load_settings({"DATABASE_URL": url}, dotenv=None)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgres://u@h/d", {"user": "u", "host": ["h"], "port": [5432], "database": "d"}),
        ("postgresql+asyncpg://u@h/d", {"user": "u", "host": ["h"], "port": [5432], "database": "d"}),
        ("postgresql://u@a:5432,[::1]:6543", {"user": "u", "host": ["a", "::1"], "port": [5432, 6543]}),
        ("postgresql://u@%2Frun%2Fpostgresql", {"user": "u", "host": ["/run/postgresql"], "port": [5432]}),
        ("postgresql://u@/?host=/run/postgresql", {"user": "u", "host": ["/run/postgresql"], "port": [5432]}),
        ("postgresql://u@h", {"user": "u", "host": ["h"], "port": [5432]}),
        ("postgresql:///d?user=u", {"user": "u", "database": "d"}),
        ("postgresql:///?user=u&port=7", {"user": "u", "port": 7}),
        ("postgresql:///?service=mine", {"service": "mine"}),
    ],
)  # fmt: skip
def test_where_and_who(url: str, expected: dict[str, Any]) -> None:
    found = {name: value for name, value in read_database_url(url).arguments.items() if name != "ssl"}
    assert found == expected


@pytest.mark.parametrize("more", ["sslmode=verify-full", "sslmode=verify-ca", "sslrootcert=system", "sslaccept=strict"])
def test_without_a_root_certificate_the_systems_authorities_judge(
    more: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    context = arguments(more)["ssl"]
    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname is (more != "sslmode=verify-ca")


@pytest.mark.parametrize(("more", "pooled"), [("pgbouncer=true", True), ("pgbouncer=false", False), ("x", None)])
def test_the_url_says_that_a_pooler_stands_there(more: str, pooled: bool | None) -> None:
    if pooled is not None:
        assert read_database_url(f"{URL}?{more}").pooled is pooled
        assert Settings(database_url=f"{URL}?{more}", redis_url="", storage_url="").through_pooler is pooled
    assert read_database_url(URL.replace("example", "example:6543")).pooled


def test_the_longest_wait_for_a_connection() -> None:
    assert read_database_url(f"{URL}?connect_timeout=10").connect_timeout == 10
    assert read_database_url(f"{URL}?connect_timeout=0").connect_timeout is None


@pytest.mark.parametrize(
    "more",
    [
        "pgbouncer=true&connection_limit=1",
        "sslmode=prefer&channel_binding=prefer",
        "channel_binding=require&keepalives=1&gssencmode=disable&connect_timeout=9",
        "options=-c%20search_path%3Dpublic&application_name=darkroom",
        "schema=public&target_session_attrs=read-write&sslmode=disable",
    ],
)
async def test_a_server_takes_what_is_left(database_url: str, more: str) -> None:
    settings = Settings(database_url=f"{database_url}?{more}", redis_url="", storage_url="")
    assert await migrate(settings) == []
    async with await open_pool(settings) as pool:
        assert await pool.fetchval("SELECT count(*) FROM users") == 0


async def test_a_server_is_told_what_the_url_says(database_url: str) -> None:
    more = "application_name=mine&options=-c%20statement_timeout%3D1234&schema=pg_catalog"
    connection = await connect(Settings(database_url=f"{database_url}?{more}", redis_url="", storage_url=""))
    told = [
        await connection.fetchval(f"SHOW {name}") for name in ("application_name", "statement_timeout", "search_path")
    ]
    await connection.close()
    assert told == ["mine", "1234ms", '"pg_catalog"']


async def test_a_certificate_is_never_left_unjudged(database_url: str) -> None:
    """The server here has no TLS at all."""
    with pytest.raises(ConnectionError):
        await connect(Settings(database_url=f"{database_url}?sslmode=verify-full", redis_url="", storage_url=""))


async def test_who_may_not_create_tables_is_told_the_grant(empty_database: str) -> None:
    admin = await asyncpg.connect(empty_database)
    await admin.execute("CREATE ROLE \"mere mortal\" LOGIN PASSWORD 'p'")
    parts = empty_database.rpartition("@")[2]
    mortal = Settings(database_url=f"postgresql://mere%20mortal:p@{parts}", redis_url="", storage_url="")
    try:
        with pytest.raises(SchemaError) as caught:
            await migrate(mortal)
        _, _, grant = str(caught.value).partition("Let the database's owner run: ")
        assert grant == 'GRANT USAGE, CREATE ON SCHEMA public TO "mere mortal";'
        await admin.execute(grant)
        assert await migrate(mortal)
    finally:
        await admin.execute('DROP OWNED BY "mere mortal"; DROP ROLE "mere mortal"')
        await admin.close()


def test_a_poolers_refusal_of_a_parameter_is_a_line() -> None:
    error = asyncpg.ProtocolViolationError("unsupported startup parameter: search_path")
    assert explain(error).startswith("The pooler that DATABASE_URL names takes no search_path.")

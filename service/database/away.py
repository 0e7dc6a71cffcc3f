"""What counts as "the database is away", in one place: come back later. Anything else it says no with is a defect."""

import re
import socket
import ssl

import asyncpg
from msgspec import Struct

from service.outbound.reaching import how_unreachable

CHANGED_BELOW_US = (
    asyncpg.InsufficientPrivilegeError,
    asyncpg.InvalidSchemaNameError,
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.UndefinedFunctionError,
    asyncpg.UndefinedObjectError,
    # No unique index for ON CONFLICT.
    asyncpg.InvalidColumnReferenceError,
)
"""What a statement names isn't there, or isn't ours to use: a restore is under way, or somebody dropped, renamed or
revoked something. Each statement fits the schema (a test prepares all of them), so that it's no defect of ours."""

UNAVAILABLE = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    # It takes no writes: its disk is full, or it is a standby.
    asyncpg.ReadOnlySQLTransactionError,
    # While connecting: no such database (yet, or while it is restored), another password, closed for maintenance.
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.ObjectNotInPrerequisiteStateError,
    # The server ended a session that it found too slow.
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TransactionTimeoutError,
    # Two transactions in each other's way; this one was given up whole.
    asyncpg.TransactionRollbackError,
    # What asyncpg says when a connection dies at a bad moment: "cannot switch to state".
    asyncpg.InternalClientError,
    *CHANGED_BELOW_US,
)
"""What is raised when the database is away, restarting, read-only, full or changed below us. Errors whose class doesn't
tell become `DatabaseAway` on their way (`told`)."""

AWAY_CLASSES = ("08", "53", "57", "58")
"""SQLSTATE classes, for codes that asyncpg doesn't know."""

INTERNAL = "XX000"
FORBIDDEN = "42501"

POOLERS_WORDS = re.compile(
    r"tenant|\bmax(imum)? ?clients?|\bE[A-Z]{6,}\b|\bpool(er)?\b|check ?out|log ?in failed|handler exited|"
    r"connection (to database|pool)|too many connection|endpoint|compute|max_client_conn|control plane",
    re.IGNORECASE,
)
"""Supavisor, Neon's proxy and others say XX000, which from PostgreSQL itself is a defect: only their words differ."""


class DatabaseAway(ConnectionError):  # noqa: N818 - a state rather than an error
    """Away, said in a code that can mean something else as well; `code` and `words` are the server's or pooler's."""

    def __init__(self, error: asyncpg.PostgresError) -> None:
        super().__init__(str(error))
        self.code = _code(error)
        self.words = str(error)
        self.severity_en = error.severity_en


def told(error: Exception, *, connecting: bool = False) -> Exception:
    """The error, as one of `UNAVAILABLE` if it means that the database is away."""
    if not isinstance(error, asyncpg.PostgresError):
        return error
    code = _code(error)
    if isinstance(error, UNAVAILABLE) and not (connecting and code == FORBIDDEN):
        return error
    away = (
        # The session is over; its successor is the one to ask.
        error.severity_en == "FATAL"
        or code.startswith(AWAY_CLASSES)
        or (connecting and code in {INTERNAL, FORBIDDEN})
        or (code == INTERNAL and POOLERS_WORDS.search(str(error)) is not None)
    )
    return DatabaseAway(error) if away else error


def is_lost(error: BaseException) -> bool:
    """Whether the session was lost before it answered: nobody knows whether what it was asked for was done.

    What the server calls an error it has undone, and says so.
    """
    return getattr(error, "severity_en", None) != "ERROR"


def _code(error: asyncpg.PostgresError) -> str:
    return error.sqlstate or ""


class Trouble(Struct, frozen=True):
    """Why something can't be used, and what to do about it. Holds no address and no other program's words."""

    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}. {self.remedy}"


def trouble_with_postgres(error: BaseException) -> Trouble | None:
    """What keeps us from PostgreSQL; None for an error that says nothing about that."""
    if not isinstance(error, UNAVAILABLE):
        return None
    code = error.code if isinstance(error, DatabaseAway) else getattr(error, "sqlstate", None) or ""
    if isinstance(error, asyncpg.ConnectionDoesNotExistError):
        code = ""  # asyncpg's own: no server has said it
    if isinstance(error, CHANGED_BELOW_US):
        return _NOT_OURS if isinstance(error, asyncpg.InsufficientPrivilegeError) else _GONE
    if found := _STARTUP_PARAMETER.search(str(error)):
        return Trouble(f"The pooler that DATABASE_URL names takes no {found[1]}", "Leave it out, or connect directly.")
    for codes, words, trouble in _BY_STATE:
        if code.startswith(codes) and re.search(words, str(error), re.IGNORECASE):
            return trouble
    for kind, trouble in _BY_KIND:
        if isinstance(error, kind):
            return trouble
    return Trouble(f"{_AWAY}: {code or how_unreachable(error)}", "Start it, or correct DATABASE_URL.")


_STARTUP_PARAMETER = re.compile(r"unsupported startup parameter(?: in options)?: (\w+)")
"""pgbouncer's words for what DATABASE_URL tells the server when a connection begins."""

_AWAY = "PostgreSQL (DATABASE_URL) can't be reached"
_POOLERS = (INTERNAL, "08")
READ_ONLY = Trouble(
    "PostgreSQL is read-only: nothing can be written",
    "Is its disk full, or is it a standby? Make room, or point DATABASE_URL at the primary.",
)
_REFUSED = Trouble("PostgreSQL refuses the user or password", "Correct DATABASE_URL.")
_NOT_OURS = Trouble(
    "PostgreSQL doesn't let the user in DATABASE_URL use Darkroom's tables",
    "GRANT it the right, or use the one that runs `darkroom migrate`.",
)
_GONE = Trouble(
    "a part that a migration made is gone, or search_path doesn't lead to it",
    "Restore it from a backup if somebody dropped it; name it as before if somebody renamed it.",
)
_NO_CONNECTION = Trouble(
    "PostgreSQL (DATABASE_URL) has no connection left for us",
    "Raise max_connections or the user's or pooler's limit, lower DATABASE_POOL_SIZE, or put a pooler in between.",
)
_NO_TENANT = Trouble(
    "the pooler in DATABASE_URL knows no such project, user or database",
    "Correct the user's name (Supabase: postgres.<project>); a project that was paused has to be restored.",
)
_NO_LOGIN = Trouble(
    "the pooler in DATABASE_URL can't sign in to PostgreSQL", "Read the pooler's log, and see whether PostgreSQL is up."
)
_BY_STATE: tuple[tuple[str | tuple[str, ...], str, Trouble], ...] = (
    ("25006", "", READ_ONLY),
    ("28", "", _REFUSED),
    ("3D000", "", Trouble("There is no such database", "Create it, or correct DATABASE_URL.")),
    (
        FORBIDDEN,
        "",
        Trouble("this user of PostgreSQL may not connect", "GRANT CONNECT ON DATABASE ... TO this user."),
    ),
    (_POOLERS, "tenant|no such (user|database)", _NO_TENANT),
    (_POOLERS, r"max(imum)?[ _]?client|too many|EMAXCONN|check ?out|query_wait", _NO_CONNECTION),
    (_POOLERS, "log ?in failed|cannot connect", _NO_LOGIN),
    (("53300", "53400"), "", _NO_CONNECTION),
    ("53100", "", Trouble("PostgreSQL's disk is full", "Make room on it.")),
    ("53", "", Trouble("PostgreSQL is out of memory or another resource", "Read its log; give it more.")),
    (
        "55P03",
        "",
        Trouble(
            "somebody holds a table in PostgreSQL, and everybody else waits for it",
            "Find out who (pg_blocking_pids, pg_stat_activity), and wait or end it (pg_terminate_backend).",
        ),
    ),
    (
        "57014",
        "",
        Trouble(
            "PostgreSQL broke a statement off, which took longer than statement_timeout",
            "See what it waits for (pg_stat_activity); or raise that setting of the user in DATABASE_URL.",
        ),
    ),
    ("57P03", "", Trouble("PostgreSQL is starting, stopping or being restored", "Wait, and read its log.")),
)
"""How the SQLSTATE begins, words of the message, what that means; the first that fits."""

_BY_KIND: tuple[tuple[type[BaseException], Trouble], ...] = (
    (
        socket.gaierror,
        Trouble(f"{_AWAY}: its host name can't be found", "Correct DATABASE_URL, or this machine's name service."),
    ),
    (ConnectionRefusedError, Trouble(f"{_AWAY}: nobody listens there", "Start it, or correct DATABASE_URL.")),
    (
        ssl.SSLError,
        Trouble("PostgreSQL's certificate isn't trusted, or it speaks no TLS", "Correct sslmode in DATABASE_URL."),
    ),
    (
        TimeoutError,
        Trouble(
            f"{_AWAY}: it doesn't answer in time",
            "Start it, or correct DATABASE_URL; behind a firewall, open its port.",
        ),
    ),
)

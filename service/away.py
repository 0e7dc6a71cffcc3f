"""What counts as "the database is away", in one place: come back later. Anything else it says no with is a defect."""

import re

import asyncpg
from msgspec import Struct

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
)
"""What is raised when the database is away, restarting, read-only or full. Errors whose class doesn't tell become
`DatabaseAway` on their way (`told`)."""

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


def told(error: Exception, *, connecting: bool = False) -> Exception:
    """The error, as one of `UNAVAILABLE` if it means that the database is away."""
    if not isinstance(error, asyncpg.PostgresError) or isinstance(error, UNAVAILABLE):
        return error
    code = _code(error)
    away = (
        # The session is over; its successor is the one to ask.
        error.severity_en == "FATAL"
        or code.startswith(AWAY_CLASSES)
        or (connecting and code in {INTERNAL, FORBIDDEN})
        or (code == INTERNAL and POOLERS_WORDS.search(str(error)) is not None)
    )
    return DatabaseAway(error) if away else error


def _code(error: asyncpg.PostgresError) -> str:
    return error.sqlstate or ""


class Explanation(Struct, frozen=True):
    """Why the database can't be used, and what to do about it; both are for operators."""

    reason: str
    remedy: str


def explain_away(error: Exception) -> Explanation:
    """What one of `UNAVAILABLE` means. No secrets, and no other program's words."""
    code = error.code if isinstance(error, DatabaseAway) else getattr(error, "sqlstate", None) or ""
    words = str(error)
    for codes, pattern, explanation in _EXPLANATIONS:
        if code.startswith(codes) and re.search(pattern, words, re.IGNORECASE):
            return explanation
    return Explanation(
        f"PostgreSQL (DATABASE_URL) can't be reached: {type(error).__name__}",
        "Start it, or correct DATABASE_URL; behind a firewall, open its port.",
    )


READ_ONLY = Explanation(
    "PostgreSQL (DATABASE_URL) is read-only: nothing can be written",
    "Is its disk full, or is it a standby? Make room, or point DATABASE_URL at the primary.",
)
_NO_CONNECTION = Explanation(
    "PostgreSQL (DATABASE_URL) has no connection left for us: see max_connections, or the limits of user and pooler",
    "Lower DATABASE_POOL_SIZE or the number of processes, or raise the limit.",
)
_POOLER = (INTERNAL, "08")

_EXPLANATIONS: tuple[tuple[str | tuple[str, ...], str, Explanation], ...] = (
    ("25006", "", READ_ONLY),
    ("28", "", Explanation("PostgreSQL refuses the user or password in DATABASE_URL.", "Correct DATABASE_URL.")),
    (
        "3D000",
        "",
        Explanation("There is no such database as DATABASE_URL names.", "Create it, or correct DATABASE_URL."),
    ),
    (
        FORBIDDEN,
        "",
        Explanation(
            "The user in DATABASE_URL may not connect to the database.", "GRANT CONNECT ON DATABASE ... TO that user."
        ),
    ),
    (
        _POOLER,
        "tenant|no such (user|database)",
        Explanation(
            "The pooler in DATABASE_URL knows no such project, user or database.",
            "Correct the user's name (Supabase: postgres.<project>); a project that was paused has to be restored.",
        ),
    ),
    (_POOLER, r"max ?_?(imum )?client|too many|EMAXCONN|check ?out|query_wait", _NO_CONNECTION),
    (
        _POOLER,
        "log ?in failed|cannot connect",
        Explanation(
            "The pooler in DATABASE_URL can't sign in to PostgreSQL.", "Read the pooler's log; is PostgreSQL up?"
        ),
    ),
    (("53300", "53400"), "", _NO_CONNECTION),
    ("53100", "", Explanation("PostgreSQL's disk is full.", "Make room on its disk.")),
    ("53", "", Explanation("PostgreSQL is out of memory or another resource.", "Read its log; give it more.")),
    (
        "57P03",
        "",
        Explanation(
            "PostgreSQL (DATABASE_URL) takes no connections: it is starting, stopping or recovering.",
            "Wait; if it lasts, read its log.",
        ),
    ),
)
"""SQLSTATE (how it begins), words, meaning; the first that fits."""

"""What Redis's errors mean to whoever runs it: in which state it is, and what to do."""

import re
from collections.abc import Mapping
from enum import StrEnum

from redis.exceptions import AuthenticationError, BusyLoadingError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeout

from service.database.away import Trouble
from service.outbound.reaching import how_unreachable


class RedisState(StrEnum):
    """Why Redis can't be used."""

    AWAY = "away"
    STRANGER = "stranger"
    FORBIDDEN = "forbidden"
    FULL = "full"
    READ_ONLY = "read-only"
    LOADING = "loading"
    CLUSTER = "cluster"
    OCCUPIED = "occupied"
    UNSAVED = "unsaved"
    REFUSED = "refused"


class RedisTrouble(Trouble, frozen=True):
    """What keeps us from using Redis."""

    state: RedisState


CLUSTER = RedisTrouble(
    "Redis (REDIS_URL) is a cluster, which Darkroom doesn't work with",
    "Give it a Redis without cluster mode: one server, with a replica if need be.",
    RedisState.CLUSTER,
)

_BY_CODE: Mapping[str, RedisTrouble] = {
    "OOM": RedisTrouble(
        "Redis (REDIS_URL) is full: it refuses to write",
        "Raise its maxmemory, or remove what others keep in it. New edits wait until then.",
        RedisState.FULL,
    ),
    "READONLY": RedisTrouble(
        "Redis (REDIS_URL) is a read-only replica",
        "Name the primary in REDIS_URL; during a fail-over, wait.",
        RedisState.READ_ONLY,
    ),
    "MASTERDOWN": RedisTrouble(
        "Redis (REDIS_URL) is a replica that has lost its primary",
        "Name the primary in REDIS_URL; during a fail-over, wait.",
        RedisState.READ_ONLY,
    ),
    "LOADING": RedisTrouble(
        "Redis (REDIS_URL) is loading its data from disk", "Wait; with much data it takes minutes.", RedisState.LOADING
    ),
    "MISCONF": RedisTrouble(
        "Redis (REDIS_URL) can't save to its disk, and refuses to write",
        "Make room on its disk, or correct its rights there.",
        RedisState.UNSAVED,
    ),
    "NOREPLICAS": RedisTrouble(
        "Redis (REDIS_URL) has too few replicas, and refuses to write", "Bring its replicas back.", RedisState.UNSAVED
    ),
    "WRONGTYPE": RedisTrouble(
        "Redis (REDIS_URL) holds something else under a name of Darkroom's",
        "Another program writes there: give Darkroom a REDIS_PREFIX of its own, or remove that key.",
        RedisState.OCCUPIED,
    ),
    **dict.fromkeys(("MOVED", "ASK", "CROSSSLOT", "CLUSTERDOWN", "TRYAGAIN"), CLUSTER),
}

NO_CONNECTION = RedisTrouble(
    "Redis (REDIS_URL) has no connection left for us",
    "Raise its maxclients or its plan's limit, or find out who holds so many.",
    RedisState.AWAY,
)
_FULL_OF_CLIENTS = re.compile(r"max(imum)? (number of|concurrent) (clients|connections)", re.IGNORECASE)

_SCRIPT = re.compile(r" script: [0-9a-f]{40}, on @user_script:[0-9]+\.?")
_FORBIDDEN = re.compile(r"The user executing the script can't|ACL failure|has no permissions")
"""What a script may not, Redis 7.0 and before tell as a mere ERR."""


def trouble_with_redis(error: BaseException) -> RedisTrouble:
    """What keeps us from Redis, for one of those that `service.queue.REDIS_AWAY` names."""
    if isinstance(error, AuthenticationError):
        return RedisTrouble("Redis refuses the user or password", "Correct REDIS_URL.", RedisState.STRANGER)
    if is_full_of_clients(error):
        return NO_CONNECTION
    if isinstance(error, ResponseError | BusyLoadingError):
        return _refused(error)
    return RedisTrouble(
        f"Redis (REDIS_URL) can't be reached: {how_away(error)}", "Start it, or correct REDIS_URL.", RedisState.AWAY
    )


def how_away(error: BaseException) -> str:
    """Why a Redis, whichever, can't be used."""
    match error:
        case AuthenticationError():
            return "it refuses the user or password"
        case ResponseError() | BusyLoadingError():
            return f"it says: {str(error).removeprefix('ERR ').strip()}"
        case RedisTimeout():
            return "it doesn't answer in time"
        case _:
            return how_unreachable(error)


def is_full_of_clients(error: BaseException) -> bool:
    """Whether a Redis, whichever, has no connection left."""
    return _FULL_OF_CLIENTS.search(str(error)) is not None


def _refused(error: ResponseError | BusyLoadingError) -> RedisTrouble:
    code = error.status_code or str(error).partition(" ")[0]
    words = _SCRIPT.sub("", str(error)).removeprefix("ERR ").strip()
    if code == "NOPERM" or _FORBIDDEN.search(words):
        return RedisTrouble(
            f"Redis (REDIS_URL) forbids what Darkroom needs: {words}",
            "Give the user in REDIS_URL the rights that docs/redis.md lists.",
            RedisState.FORBIDDEN,
        )
    return _BY_CODE.get(code) or RedisTrouble(
        f"Redis (REDIS_URL) refuses what Darkroom needs: {words}",
        "Allow the command, or name another Redis.",
        RedisState.REFUSED,
    )

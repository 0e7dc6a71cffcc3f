"""A process's sign of life in PostgreSQL, with the storage it uses: so the doctor knows of it wherever it is run."""

import asyncio
import os
import platform
from itertools import count
from secrets import token_hex
from typing import Literal

import structlog
from msgspec import Struct

from service.database import Connection, Pool
from service.database.away import UNAVAILABLE
from service.database.statements import load_queries
from service.files.mark import WrongStorage, current_mark, settle
from service.files.storage import Storage
from service.processes.ready_pipe import NUMBER
from service.storage_errors import StorageError

QUERIES = load_queries("processes")

SEEN_EVERY = 5.0
STORAGE_EVERY = 6
"""Signs of life from one look into the storage to the next."""

LOOK_WITHIN = 5.0
"""Seconds for a look at the storage: it holds a connection, and meanwhile nobody says that we are here."""

SILENT_AFTER = 15.0
"""Seconds without a sign of life after which a process counts as gone."""

Kind = Literal["api", "worker"]

log = structlog.get_logger(__name__)


class ProcessRecord(Struct, frozen=True):
    """A process that was seen in the last quarter of an hour."""

    process_id: str
    kind: Kind
    node: str
    address: str | None
    """Where it listens."""
    storage: str
    storage_mark: str | None
    """None: it isn't the storage that the files are in."""
    silent_seconds: float

    @property
    def living(self) -> bool:
        return self.silent_seconds < SILENT_AFTER


async def recent_processes(connection: Connection) -> list[ProcessRecord]:
    return await QUERIES["recent_processes"].rows(connection, ProcessRecord)


class Presence:
    """One process: settles its storage, and says every few seconds that it is here."""

    def __init__(self, pool: Pool, kind: Kind, storage: str, *, address: str | None = None) -> None:
        self._pool = pool
        self._kind: Kind = kind
        self._storage_name = storage
        self._storage: Storage | None = None
        self._address = address
        self._number = int(os.environ.get(NUMBER, "1"))
        self._process_id = f"{kind}:{platform.node()}:{os.getpid()}:{token_hex(4)}"
        self._beating: asyncio.Task[None] | None = None
        self.mark: str | None = None
        """The mark that was found in the storage; None while it isn't the one with the files, or is away."""

    async def begin(self, storage: Storage) -> None:
        """Settle the storage, sign in, and go on saying so.

        Raises:
            WrongStorage: It isn't the one with the files.
            StorageError: It is away; for the API that isn't raised: it is tried again.
        """
        self._storage = storage
        self._storage_name = storage.name
        try:
            async with self._pool.acquire() as connection:
                self.mark = await settle(connection, storage, may_move=self._kind == "api")
        except StorageError as error:
            if isinstance(error, WrongStorage) or self._kind == "worker":
                await self.note()
                raise
            log.warning("storage away", error=str(error))
        await self.note()
        self._beating = asyncio.create_task(self._beat(), name="presence")

    async def note(self) -> None:
        """Say that we are here, and whether our storage is the right one; a database that is away is told later."""
        try:
            async with self._pool.acquire() as connection:
                await QUERIES["forget_replaced_processes"].run(
                    connection,
                    node=platform.node(),
                    address=self._address,
                    number=self._number,
                    process_id=self._process_id,
                )
                await QUERIES["see_process"].run(
                    connection,
                    process_id=self._process_id,
                    kind=self._kind,
                    node=platform.node(),
                    address=self._address,
                    number=self._number,
                    storage=self._storage_name,
                    storage_mark=self.mark,
                )
        except UNAVAILABLE as error:
            log.debug("no sign of life", error=type(error).__name__)

    async def end(self) -> None:
        """Sign off, if we had signed in; who was refused stays noted for a while."""
        if self._beating is None:
            return
        self._beating.cancel()
        await asyncio.gather(self._beating, return_exceptions=True)
        try:
            async with self._pool.acquire() as connection:
                await QUERIES["forget_process"].run(connection, process_id=self._process_id)
        except UNAVAILABLE as error:
            log.debug("process not signed off", error=type(error).__name__)

    async def _beat(self) -> None:
        for beat in count(1):
            await asyncio.sleep(SEEN_EVERY)
            await self._look(beat)
            try:
                await self.note()
            except Exception:
                log.exception("no sign of life given")

    async def _look(self, beat: int) -> None:
        """Whatever comes of it, the sign of life follows: who falls silent counts as hanging."""
        try:
            async with self._pool.acquire() as connection:
                if self.mark is None or beat % STORAGE_EVERY == 0 or self.mark != await current_mark(connection):
                    await self._look_at_storage(connection)
        except UNAVAILABLE as error:
            log.debug("storage not looked at", error=type(error).__name__)
        except Exception:
            log.exception("storage not looked at")

    async def _look_at_storage(self, connection: Connection) -> None:
        """The files may have got another storage since, and a volume may have come or gone."""
        if self._storage is None:
            return
        try:
            async with asyncio.timeout(LOOK_WITHIN):
                self.mark = await settle(connection, self._storage, may_move=False)
        except WrongStorage as error:
            self.mark = None
            log.error("wrong storage", error=str(error))  # noqa: TRY400 - told in its words
        except StorageError as error:
            log.warning("storage away", error=str(error))
        except TimeoutError:
            log.warning("storage away", error=f"{self._storage_name} takes too long")

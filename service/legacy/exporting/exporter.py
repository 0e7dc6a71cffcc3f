"""The way back: what changed here, written in the old layout to a Redis that somebody names.

A record is entered in `legacy_exported` before it is written: should the run break off in between, both what stood
there and what was to stand there are known to the next run, and to an import. So it may be interrupted, and repeated.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, Final

from msgspec import Struct, field

from schema.models.accounts import UserRecord
from service.database import Connection
from service.legacy import store
from service.legacy.exporting.target import LegacyTarget, NewQueue
from service.legacy.exporting.writing import AddressOf, Written, written_task, written_user
from service.legacy.records import RawUser
from service.legacy.records.tasks import Zone
from service.legacy.records.users import BY_EMAIL, read_user
from service.legacy.records.values import fingerprint
from service.legacy.source import BYTES_AT_ONCE
from service.legacy.store import exports
from service.legacy.store.exports import Changed, Waiting
from service.legacy.telling import Finding, Told
from service.legacy.unhurried import unhurried

PAGE: Final = 500

CHANGED_THERE: Final = "it has changed there since it was imported or exported; it was left as it is"
EMAIL_TAKEN_THERE: Final = "there its email is another user's; it was left as it is"
DELETED_HERE: Final = "it was deleted here, and is still there"

TRIES: Final = 5
"""How often the queue is put together when somebody changes it meanwhile."""


class QueueInUse(Exception):  # noqa: N818 - an answer to who started it
    """Somebody changes the old queue all the time."""


class Tally(Struct):
    """What became of the records of one kind."""

    written: int = 0
    unchanged: int = 0
    """They stood there already."""
    conflict: int = 0
    """They have changed there since, and were left."""
    deleted_here: int = 0
    """They are still there, or were until this run removed them."""
    by_status: Counter[str] = field(default_factory=Counter[str])
    credits: int = 0
    """Of users: the sum of their balances. Of tasks: of what they cost."""


class Queue(Struct):
    """What waits there now."""

    waiting: int = 0
    others: int = 0
    """Of them, those that didn't come from here."""


class Exporter:
    """One export's run."""

    def __init__(
        self, connection: Connection, target: LegacyTarget, zone: Zone, told: Told, address_of: AddressOf
    ) -> None:
        self._connection = connection
        self._target = target
        self._zone = zone
        self._told = told
        self._address_of = address_of
        self._removed = False
        self.users = Tally()
        self.tasks = Tally()

    async def export_users(self) -> None:
        """Accounts, with the balances they have here."""
        self._told.phase("users", None)
        async for batch in self._changed("user"):
            changed = {one.record_id: one for one in batch}
            for ids in await asyncio.to_thread(self._target.in_parts, list(changed)):
                there = await asyncio.to_thread(self._target.users_of, ids)
                users = await exports.users_of(self._connection, ids)
                await self._put_users([changed[user_id] for user_id in ids], users, there)
                self._told.advance(len(ids))

    async def _put_users(
        self, batch: Sequence[Changed], users: Sequence[UserRecord], there: dict[str, RawUser]
    ) -> None:
        written = [written_user(user, self._zone) for user in users]
        keys = [key for one in written for key in one.fields if key.startswith(BY_EMAIL)]
        holders = await asyncio.to_thread(self._target.holders, keys)
        free: list[Written] = []
        for one in written:
            if {holders.get(key, one.record_id) for key in one.fields} == {one.record_id}:
                free.append(one)
            else:
                self._leave("user", self.users, one, EMAIL_TAKEN_THERE)
        looks = {user_id: read_user(raw, self._zone).fingerprint for user_id, raw in there.items()}
        put = await self._enter("user", self.users, batch, free, looks)
        await asyncio.to_thread(self._target.put_users, [(one, there.get(one.record_id)) for one in put])
        self.users.credits += sum(user.current_credits for user in users)

    async def export_tasks(self) -> None:
        """Tasks; where they wait is said at the end, by `export_queue`."""
        self._told.phase("tasks", None)
        async for batch in self._changed("task"):
            ids = [one.record_id for one in batch]
            looks = await asyncio.to_thread(self._target.fingerprints, ids, self._zone)
            tasks = await exports.tasks_of(self._connection, ids)
            written = [written_task(task, self._zone, self._address_of) for task in tasks]
            put = await self._enter("task", self.tasks, batch, written, looks)
            await asyncio.to_thread(self._target.put_tasks, put)
            self.tasks.by_status.update(task.status for task in tasks)
            self.tasks.credits += sum(task.credits_consumed for task in tasks)
            self._told.advance(len(batch))

    async def _changed(self, kind: str) -> AsyncGenerator[list[Changed]]:
        """What is to be exported, as many records at a time as may be held."""
        after = ""
        while page := await self._page(lambda start=after: exports.changed(self._connection, kind, start, PAGE)):
            after = page[-1].record_id
            batch: list[Changed] = []
            for one in page:
                if batch and sum(other.size for other in batch) + one.size > BYTES_AT_ONCE:
                    yield batch
                    batch = []
                batch.append(one)
            yield batch

    async def _page(self, read: Callable[[], Any]) -> Any:
        async with unhurried(self._connection):
            return await read()

    async def _enter(
        self,
        kind: str,
        tally: Tally,
        batch: Sequence[Changed],
        written: Sequence[Written],
        looks: dict[str, bytes],
    ) -> list[Written]:
        """Enter what is about to be written, and answer it: not what stands there, nor what has changed there."""
        imported = {one.record_id: one.imported for one in batch}
        ours = await exports.exported(self._connection, kind, list(imported))
        kept = await store.kept_verdicts(self._connection, kind, list(imported))
        judged = {(one.record_id, one.fingerprint) for one in kept if one.verdict == "conflict"}
        entered: list[tuple[str, bytes, bytes | None]] = []
        left: list[str] = []
        put: list[Written] = []
        for one in written:
            look, mark = looks.get(one.record_id), fingerprint(one.fields, self._zone.name)
            known = {None, imported.get(one.record_id), *ours.get(one.record_id, ())}
            if look == mark:
                tally.unchanged += 1
            elif look in known or (one.record_id, look) in judged:
                tally.written += 1
                put.append(one)
            else:
                self._leave(kind, tally, one, CHANGED_THERE)
                left.append(one.record_id)
                continue
            entered.append((one.record_id, mark, look if look in ours.get(one.record_id, ()) else None))
            if one.remarks:
                self._told.find(Finding(kind, one.record_id, "remark", one.remarks))
        await exports.put_exported(self._connection, kind, entered)
        if left:
            await exports.leave_exported(self._connection, kind, left)
        return put

    def _leave(self, kind: str, tally: Tally, one: Written, reason: str) -> None:
        tally.conflict += 1
        self._told.find(Finding(kind, one.record_id, "conflict", (reason,)))

    async def export_queue(self) -> Queue:
        """What waits there: what was begun here, then what waited here, in its order, then what else waited there.

        Raises:
            QueueInUse: Somebody changes it all the time.
            WrongType: It is no list.
        """
        self._told.phase("queue", None)
        for _ in range(TRIES):
            with self._target.new_queue() as queue:
                found = await self._fill(queue)
                if await asyncio.to_thread(queue.put):
                    return found
        raise QueueInUse

    async def _fill(self, queue: NewQueue) -> Queue:
        found = Queue()
        after: Waiting | None = None
        while page := await self._waiting(after):
            after = page[-1]
            await asyncio.to_thread(queue.push, [one.task_id.encode() for one in page])
            found.waiting += len(page)
            self._told.advance(len(page))
        number = 0
        while standing := await asyncio.to_thread(queue.standing, number):
            number += 1
            names = {one: one.decode(errors="replace").replace("\0", "?") for one in standing}
            ours = await exports.exported_among(self._connection, list(names.values()))
            if self._removed:
                ours |= await store.erased(self._connection, "task", list(names.values()))
            others = [one for one in standing if names[one] not in ours]
            await asyncio.to_thread(queue.push, others)
            found.waiting += len(others)
            found.others += len(others)
        return found

    async def _waiting(self, after: Waiting | None) -> Sequence[Waiting]:
        return await self._page(lambda: exports.waiting_exported(self._connection, after, PAGE))

    async def look_for_deleted(self, *, remove: bool) -> None:
        """What was deleted here and is still there: removed if so wished, otherwise told."""
        self._told.phase("deleted", None)
        self._removed = remove
        async for page in self._deleted("user"):
            for ids in await asyncio.to_thread(self._target.in_parts, page):
                users = await asyncio.to_thread(self._target.users_of, ids)
                if remove:
                    await asyncio.to_thread(self._target.drop_users, list(users.values()))
                self._tell_deleted("user", self.users, list(users), removed=remove)
        async for ids in self._deleted("task"):
            missing = set(await asyncio.to_thread(self._target.missing, ids))
            there = [task_id for task_id in ids if task_id not in missing]
            if remove:
                await asyncio.to_thread(self._target.drop_tasks, there)
            self._tell_deleted("task", self.tasks, there, removed=remove)

    async def _deleted(self, kind: str) -> AsyncGenerator[list[str]]:
        after = ""
        while page := await self._page(lambda start=after: exports.deleted_here(self._connection, kind, start, PAGE)):
            after = page[-1]
            yield page
            self._told.advance(len(page))

    def _tell_deleted(self, kind: str, tally: Tally, there: Sequence[str], *, removed: bool) -> None:
        tally.deleted_here += len(there)
        for record_id in there if not removed else ():
            self._told.find(Finding(kind, record_id, "remark", (DELETED_HERE,)))

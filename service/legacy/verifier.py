"""`darkroom legacy verify`: the old Redis and PostgreSQL, record by record, in both directions. Changes no record."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from operator import itemgetter
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from service.database import Connection
from service.legacy import store
from service.legacy.importing.emails import EMAIL_TAKEN
from service.legacy.records import Task, Unreadable, User, weight_of
from service.legacy.records.comparing import (
    BothSides,
    Differences,
    UserHere,
    compare_ledger,
    compare_tasks,
    compare_user,
)
from service.legacy.records.planning import Kept, id_of
from service.legacy.records.tasks import Zone
from service.legacy.records.users import read_user
from service.legacy.records.values import fingerprint
from service.legacy.source import LegacyRedis
from service.legacy.source.batches import FIRST, ahead, growing, one_ahead
from service.legacy.source.reading import many_tasks
from service.legacy.store import exports
from service.legacy.telling import Finding, Told
from service.legacy.unhurried import unhurried

T = TypeVar("T")

PAGE = 2000
LISTED = 1000
"""How many differences the answer lists; a report has all."""

MISSING_HERE = "it is missing here"
MISSING_THERE = "it was imported, and the old system doesn't have it any more"
NOT_QUARANTINED = "it can't be read, and is not in quarantine as it is now"


Verdicts = dict[tuple[str, str], Kept]
"""What imports found about records, by id and verdict."""


def _is_kept(record: Task | User | Unreadable, kept: Verdicts, verdict: str, reason: str | None = None) -> bool:
    """Whether an import found this about the record as it is now."""
    found = kept.get((id_of(record), verdict))
    return found is not None and found.fingerprint == record.fingerprint and (not reason or reason in found.reasons)


class Difference(Struct, frozen=True):
    """One record's, in words; `mark` is another one when the record there or what differs here is another."""

    record_id: str
    words: tuple[str, ...]
    mark: bytes


def difference(record_id: str, differing: Differences, there: bytes = b"") -> Difference:
    """What differs in a record whose fingerprint is `there`."""
    values = msgspec.json.encode([there, differing], order="deterministic")
    return Difference(record_id, tuple(differing), fingerprint({b"difference": values}))


class Verifier:
    """One comparison's run. With `accept`, the differences that are found are accepted, for that reason."""

    def __init__(
        self, connection: Connection, source: LegacyRedis, zone: Zone, told: Told, *, accept: str | None = None
    ) -> None:
        self._connection = connection
        self._source = source
        self._zone = zone
        self._told = told
        self._accept = accept
        self._there: Counter[str] = Counter()
        self._by_status: Counter[str] = Counter()
        self._credits: Counter[str] = Counter()
        self._listed: list[Finding] = []
        self._one_at_a_time = asyncio.Lock()
        self._differences = 0
        self._accepted = 0

    async def compare(self) -> dict[str, Any]:
        """Everything; a summary, with the first differences. It is `equal` when there is none."""
        self._told.phase("users", None)
        accounts = ([read_user(raw, self._zone) for raw in raws] for raws in self._source.users())
        async for users in growing(ahead(accounts), most=FIRST, weigh=weight_of):
            async with unhurried(self._connection):
                await self._users(users)
        self._told.phase("tasks", max(self._source.size() - 2 * self._there["users"], 0))
        async with aclosing(one_ahead(self._both_sides())) as batches:
            async for both in batches:
                await self._tasks(both)
        await self._the_other_way()
        async with unhurried(self._connection):
            by_status = await store.brought_by_status(self._connection)
            credits_ = await store.brought_credits(self._connection)
        return {
            "equal": self._differences == 0,
            "differences": self._differences,
            "accepted": self._accepted,
            "timezone": self._zone.name,
            "old_system": {
                **self._there,
                "by_status": dict(self._by_status),
                "credits": self._credits["balances"],
                "credits_consumed": self._credits["consumed"],
            },
            "here": {
                "by_status": {one.status: one.tasks for one in by_status},
                "credits": credits_,
                "credits_consumed": sum(one.credits for one in by_status),
            },
            "list": self._listed,
        }

    async def _users(self, records: Sequence[User | Unreadable]) -> None:
        ids = [record.user_id for record in records if isinstance(record, User)]
        here = {user.user_id: user for user in await store.imported_users(self._connection, ids)}
        kept = await self._kept("user", [id_of(record) for record in records])
        missing = [user_id for user_id in ids if user_id not in here]
        erased = await store.erased(self._connection, "user", missing) if missing else frozenset[str]()
        ours = await exports.exported(self._connection, "user", ids)
        await self._unreadable("user", [record for record in records if isinstance(record, Unreadable)], kept)
        found: list[Difference] = []
        for record in records:
            if not isinstance(record, User):
                continue
            self._credits["balances"] += record.current_credits
            if record.user_id in here:
                account = here[record.user_id]
                written_here = record.fingerprint in ours.get(record.user_id, ())
                differing = compare_ledger(account) if written_here else _compared(record, account, kept)
                found.append(difference(record.user_id, differing, record.fingerprint))
            elif record.user_id not in erased:
                found.append(difference(record.user_id, {MISSING_HERE: None}, record.fingerprint))
        await self._differ("user", found)
        self._there["users"] += len(records)
        self._told.advance(len(records))

    async def _both_sides(self) -> AsyncGenerator[BothSides]:
        """Every task of the old system, with what came of it here."""
        async with aclosing(many_tasks(self._source, self._zone)) as batches:
            async for records in batches:
                readable = [record for record in records if type(record) is Task]
                async with self._looking():
                    ours = await exports.exported(self._connection, "task", [id_of(record) for record in records])
                    found = await store.imported_tasks(self._connection, [record.task_id for record in readable])
                unreadable = [record for record in records if type(record) is Unreadable]
                yield BothSides(readable, unreadable, {task.task_id: task for task in found}, ours)

    async def _tasks(self, both: BothSides) -> None:
        # In a thread: PostgreSQL and the old Redis are asked for the next ones meanwhile.
        missing, differing = await asyncio.to_thread(compare_tasks, both)
        if missing or differing or both.unreadable:
            async with self._looking():
                await self._judge_tasks(both.unreadable, missing, differing)
        self._by_status.update(record.status for record in both.readable)
        self._credits["consumed"] += sum(record.credits_consumed for record in both.readable)
        seen = len(both.readable) + len(both.unreadable)
        self._there["tasks"] += seen
        self._told.advance(seen)

    async def _judge_tasks(
        self, unreadable: Sequence[Unreadable], missing: Sequence[Task], differing: Sequence[tuple[Task, Differences]]
    ) -> None:
        """With what imports have found about them in mind, and what was deleted here."""
        asked = [id_of(record) for record in (*unreadable, *(record for record, _ in differing))]
        kept = await self._kept("task", asked) if asked else {}
        await self._unreadable("task", unreadable, kept)
        erased = await self._erased(missing) if missing else frozenset[str]()
        lacking = [(record, {MISSING_HERE: None}) for record in missing if record.task_id not in erased]
        other = [(record, found) for record, found in differing if not _is_kept(record, kept, "conflict")]
        await self._differ(
            "task", [difference(record.task_id, found, record.fingerprint) for record, found in [*lacking, *other]]
        )

    @asynccontextmanager
    async def _looking(self) -> AsyncGenerator[None]:
        """A transaction of its own: tasks are looked up ahead of what is found about those before."""
        async with self._one_at_a_time, unhurried(self._connection):
            yield

    async def _erased(self, missing: Sequence[Task]) -> frozenset[str]:
        """Those of these tasks that were deleted here, themselves or with their user."""
        tasks = await store.erased(self._connection, "task", [task.task_id for task in missing])
        users = await store.erased(self._connection, "user", [task.user_id for task in missing if task.user_id])
        return tasks | {task.task_id for task in missing if task.user_id in users}

    async def _kept(self, kind: str, record_ids: Sequence[str]) -> Verdicts:
        kept = await store.kept_verdicts(self._connection, kind, record_ids)
        return {(one.record_id, one.verdict): one for one in kept}

    async def _unreadable(self, kind: str, records: Sequence[Unreadable], kept: Verdicts) -> None:
        self._there["unreadable"] += len(records)
        if unkept := [record for record in records if not _is_kept(record, kept, "quarantine")]:
            erased = await store.erased(self._connection, kind, [record.record_id for record in unkept])
            await self._differ(
                kind,
                [
                    difference(record.record_id, {NOT_QUARANTINED: None}, record.fingerprint)
                    for record in unkept
                    if record.record_id not in erased
                ],
            )

    async def _the_other_way(self) -> None:
        """What was imported and isn't there any more, though the old Redis wasn't to forget it yet."""
        self._told.phase("back", None)
        await self._gone("task", self._pages(store.brought_tasks, str), self._source.missing)
        await self._gone("user", self._pages(store.brought_users, itemgetter(0)), self._source.missing_users)

    async def _pages(
        self, turn: Callable[[Connection, str, int], Awaitable[Sequence[T]]], id_: Callable[[T], str]
    ) -> AsyncGenerator[Sequence[T]]:
        after = ""
        while True:
            async with self._looking():
                page = await turn(self._connection, after, PAGE)
            if not page:
                return
            yield page
            after = id_(page[-1])

    async def _gone(
        self, kind: str, pages: AsyncGenerator[Sequence[T]], missing: Callable[[Sequence[T]], list[str]]
    ) -> None:
        async with aclosing(one_ahead(pages)) as found:
            async for page in found:
                if gone := await asyncio.to_thread(missing, page):
                    async with self._looking():
                        await self._differ(kind, [difference(one, {MISSING_THERE: None}) for one in gone])
                self._told.advance(len(page))

    async def _differ(self, kind: str, compared: Sequence[Difference]) -> None:
        """Tell and count differences, but for those that somebody has accepted as they are."""
        found = [one for one in compared if one.words]
        if not found:
            return
        accepted = await store.accepted(self._connection, kind, found)
        if self._accept is not None:
            # SCAN may bring one twice.
            fresh = {one.record_id: one for one in found if one.record_id not in accepted}
            await store.accept(self._connection, kind, list(fresh.values()), self._accept)
            accepted |= dict.fromkeys(fresh, self._accept)
        for one in found:
            if one.record_id in accepted:
                self._accepted += 1
                self._told.find(Finding(kind, one.record_id, "accepted", (*one.words, accepted[one.record_id])))
                continue
            finding = Finding(kind, one.record_id, "difference", one.words)
            self._differences += 1
            if len(self._listed) < LISTED:
                self._listed.append(finding)
            self._told.find(finding)


def _compared(there: User, here: UserHere, kept: Verdicts) -> Differences:
    """An account, with what imports found about it in mind."""
    without_email = any(_is_kept(there, kept, verdict, EMAIL_TAKEN) for verdict in ("remark", "conflict"))
    conflict = _is_kept(there, kept, "conflict")
    return compare_ledger(here) | compare_user(there, here, without_email=without_email, conflict=conflict)

"""Users and tasks out of the old Redis into PostgreSQL: batch by batch, again and again, until the switch is made.

Every batch is one transaction of its own and changes nothing when it is done again, so an import may be interrupted at
any point and repeated at any time.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Collection, Iterator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from functools import partial

import asyncpg
from msgspec import Struct, field, structs

from service.database import Connection
from service.database.transactions import transactional
from service.legacy import store
from service.legacy.importing.emails import EMAIL_TAKEN, Settling
from service.legacy.records import Task, Unreadable, User, weight_of
from service.legacy.records.planning import (
    ADOPTED,
    KnownTask,
    Outcome,
    Plan,
    id_of,
    judge_task,
    judge_user,
    plan,
)
from service.legacy.records.rows import TaskRow
from service.legacy.records.tasks import Zone
from service.legacy.records.users import read_user
from service.legacy.source import LegacyRedis
from service.legacy.source.batches import FIRST, HEAVY, ahead, growing, one_ahead
from service.legacy.source.reading import many_rows, many_tasks
from service.legacy.store import exports
from service.legacy.telling import Finding, Told

REMEMBERED_USERS = 200_000


class Tally(Struct):
    """What became of the records of one kind."""

    seen: int = 0
    outcomes: Counter[str] = field(default_factory=Counter[str])
    by_status: Counter[str] = field(default_factory=Counter[str])
    """Of tasks: how many have each status in the old system, as far as they can be read."""
    credits: int = 0
    """Of users: the sum of their balances there. Of tasks: of what they cost."""
    remarked: int = 0


class Importer:
    """One import's run. With `dry_run` it does everything but write, and tells the same."""

    def __init__(
        self,
        connection: Connection,
        source: LegacyRedis,
        zone: Zone,
        told: Told,
        *,
        same_clock: bool = True,
        dry_run: bool = False,
    ) -> None:
        self._connection = connection
        self._source = source
        self._zone = zone
        self._told = told
        self._judge_task = partial(judge_task, same_clock=same_clock)
        self._dry_run = dry_run
        self._now = datetime.now(UTC)
        self._with_account: set[str] = set()
        """Users that tasks can refer to: looked up once."""
        self._deferred: dict[str, User | None] = {}
        """Those whose email somebody else has: by the end of the users it may be free. What would be too much to hold
        (None) is read again then."""
        self._held = 0
        """Their bytes."""
        self._emails = Settling(connection, dry_run=dry_run)
        self.users = Tally()
        self.tasks = Tally()
        self.placeholders = 0
        self.opened = Counter[bool]()
        """How many more unfinished tasks the old system's workers have, by what was put: somebody's, and nobody's."""

    async def import_users(self) -> None:
        """Every account, with its balance as the ledger's opening entry."""
        self._told.phase("users", None)
        async for users in growing(ahead(self._users()), most=FIRST, weigh=weight_of):
            await self._put_users(users)
        if self._deferred:
            await self._put_users([user for user in self._deferred.values() if user], last=True)
        if self._deferred:
            async for users in growing(ahead(self._users(self._deferred)), most=FIRST, weigh=weight_of):
                await self._put_users(users, last=True)

    async def import_tasks(self) -> None:
        """Every task. Unfinished ones are marked as the old system's, and only read here."""
        self._told.phase("tasks", max(self._source.size() - 2 * self.users.seen, 0))
        async with (
            aclosing(many_rows(self._source, self._zone, self._now)) as rows,
            aclosing(one_ahead(growing(rows, weigh=_weight))) as batches,
        ):
            async for tasks in batches:
                await self._put_tasks(tasks)

    async def readable_tasks(self) -> AsyncGenerator[list[Task]]:
        """What the old Redis has, for a dry run that looks further; read once more."""
        async for records in many_tasks(self._source, self._zone):
            yield [task for task in records if isinstance(task, Task)]

    def _users(self, among: Collection[str] | None = None) -> Iterator[list[User | Unreadable]]:
        """All of them, or those of these ids."""
        for raws in self._source.users():
            yield [read_user(raw, self._zone) for raw in raws if among is None or raw.user_id in among]

    async def _put_users(self, records: Sequence[User | Unreadable], *, last: bool = False) -> None:
        decided, deferred = await transactional(self._put_user_batch)(self._connection, records, last=last)
        for user in deferred:
            self._held += weight_of(user)
            self._deferred[user.user_id] = user if self._held <= HEAVY else None
        if last:
            for user_id in decided.outcomes:
                self._deferred.pop(user_id, None)
        self._count(self.users, "user", records, decided)
        self.users.credits += sum(
            record.current_credits
            for record in records
            if isinstance(record, User) and record.user_id in decided.outcomes
        )
        self._with_account.update(user.user_id for user in decided.put)
        self._told.advance(len(decided.outcomes))

    async def _put_user_batch(
        self, connection: Connection, records: Sequence[User | Unreadable], *, last: bool
    ) -> tuple[Plan[User], list[User]]:
        """What became of the records, and whom to try again when all others have their emails."""
        await store.begin_batch(connection)
        ids = [id_of(record) for record in records]
        kept = await store.kept_verdicts(connection, "user", _ids(records))
        ours = await exports.exported(connection, "user", ids)
        judge = partial(judge_user, switched=await store.balances_live_here(connection))
        decided = plan(records, await store.known_users(connection, ids), kept, judge, ours)
        known = [user.user_id for user in decided.put if decided.outcomes[user.user_id] is not Outcome.IMPORTED]
        if known and not self._dry_run:
            # Whether one was used, and its balance, stay as they are until it is written.
            await store.hold_users(connection, known)
            decided = plan(records, await store.known_users(connection, ids), kept, judge, ours)
        decided.put.sort(key=lambda user: user.user_id)
        deferred = await self._settle_emails(decided, last=last)
        if not self._dry_run:
            await store.put_users(connection, decided.put)
            await self._keep_verdicts("user", decided)
        return decided, deferred

    async def _settle_emails(self, decided: Plan[User], *, last: bool) -> list[User]:
        """An email belongs to one account.

        Who asks for another's is put off until all others have theirs, and then does without, or gets it from who was
        there earlier. Two that change theirs with each other get them.
        """
        moved = self._with_account if self._dry_run else set[str]()
        if last:
            moved = moved | self._deferred.keys()
        emails = await self._emails.judge(decided.put, moved, last=last)
        if not self._dry_run:
            await store.release_emails(self._connection, emails.released)
            await store.displace_emails(self._connection, emails.displaced, EMAIL_TAKEN)
        self.users.remarked += len(emails.displaced)
        for user_id in emails.displaced:
            self._told.find(Finding("user", user_id, "remark", (EMAIL_TAKEN,)))
        if not emails.taken:
            return []
        if not last:
            deferred = [user for user in decided.put if user.user_id in emails.taken]
            decided.put = [user for user in decided.put if user.user_id not in emails.taken]
            for user_id in emails.taken:
                del decided.outcomes[user_id]
                decided.conflicts.pop(user_id, None)
            return deferred
        decided.put = [without_email(user) if user.user_id in emails.taken else user for user in decided.put]
        return []

    async def _put_tasks(self, records: Sequence[TaskRow | Unreadable]) -> None:
        try:
            decided = await self._put_batch(records)
        except (asyncpg.UniqueViolationError, asyncpg.ForeignKeyViolationError):
            # One of these was made here a moment ago, or a user was erased: by now it is known.
            self._with_account.clear()
            decided = await self._put_batch(records)
        self._count(self.tasks, "task", records, decided)
        for record in records:
            if type(record) is not Unreadable:
                self.tasks.by_status[record.status] += 1
                self.tasks.credits += record.credits_consumed
        self._told.advance(len(records))

    async def _put_batch(self, records: Sequence[TaskRow | Unreadable]) -> Plan[TaskRow]:
        decided, known, accounts, placed = await transactional(self._put_task_batch)(self._connection, records)
        self.placeholders += placed
        if len(self._with_account) > REMEMBERED_USERS and not self._dry_run:
            self._with_account.clear()
        self._with_account |= accounts
        for task in decided.put:
            if not task.status.ended:
                self.opened[task.user_id is not None] += 1
            if task.task_id in known and known[task.task_id].open:
                self.opened[known[task.task_id].owned] -= 1
        return decided

    async def _put_task_batch(
        self, connection: Connection, records: Sequence[TaskRow | Unreadable]
    ) -> tuple[Plan[TaskRow], dict[str, KnownTask], set[str], int]:
        """What became of the records, what was known of them before; and as `_place_users`."""
        await store.begin_batch(connection)
        ids = [id_of(record) for record in records]
        known = await store.known_tasks(connection, ids)
        kept = await store.kept_verdicts(connection, "task", _ids(records))
        ours = await exports.exported(connection, "task", ids)
        decided = plan(records, known, kept, self._judge_task, ours)
        accounts, placed = await self._place_users(decided)
        # Three of the table's indexes begin with the user: neighbours share their pages.
        decided.put.sort(key=lambda task: (task.user_id or "", task.task_id))
        if adopted := [
            task for task in decided.put if (here := known.get(task.task_id)) and here.fingerprint == ADOPTED
        ]:
            decided.lost = dict(await store.losing_rows(connection, adopted))
        if not self._dry_run:
            await store.add_tasks(connection, [task for task in decided.put if task.task_id not in known])
            await store.update_tasks(connection, [task.row for task in decided.put if task.task_id in known])
            await self._keep_verdicts("task", decided)
        return decided, known, accounts, placed

    async def _place_users(self, decided: Plan[TaskRow]) -> tuple[set[str], int]:
        """Tasks of users that nobody knows get an account that a later import fills; of erased ones they stay away.

        Returns the users that were looked up and have accounts, and for how many one was made.
        """
        strangers = {task.user_id for task in decided.put if task.user_id} - self._with_account
        if not strangers:
            return set(), 0
        unknown = await store.unknown_users(self._connection, sorted(strangers))
        erased = {user_id for user_id, gone in unknown.items() if gone}
        for task in decided.put:
            if task.user_id in erased:
                decided.outcomes[task.task_id] = Outcome.GONE
        decided.put = [task for task in decided.put if task.user_id not in erased]
        placed = sorted(unknown.keys() - erased)
        if placed and not self._dry_run:
            await store.place_users(self._connection, placed)
        return strangers - erased, len(placed)

    async def _keep_verdicts(self, kind: str, decided: Plan[User] | Plan[TaskRow]) -> None:
        """What was found about records; what was found about those that are fine by now goes."""
        if put := [id_of(record) for record in decided.put]:
            await store.release_from_quarantine(self._connection, kind, put)
            await store.drop_remarks(self._connection, kind, put)
        if decided.quarantine:
            await store.put_in_quarantine(self._connection, kind, decided.quarantine)
        if found := [remark for remark in decided.remarks() if remark.record_id not in decided.standing]:
            await store.put_remarks(self._connection, kind, found)

    def _count(
        self,
        tally: Tally,
        kind: str,
        records: Sequence[User | TaskRow | Unreadable],
        decided: Plan[User] | Plan[TaskRow],
    ) -> None:
        tally.seen += len(decided.outcomes)
        tally.outcomes.update(decided.outcomes.values())
        remarks = decided.remarks()
        tally.remarked += sum(not remark.conflict for remark in remarks)
        for record in records:
            if type(record) is Unreadable and decided.outcomes[record.record_id] is Outcome.QUARANTINED:
                self._told.find(Finding(kind, record.record_id, Outcome.QUARANTINED, (record.reason,)))
        for remark in remarks:
            what = Outcome.CONFLICT if remark.conflict else "remark"
            self._told.find(Finding(kind, remark.record_id, what, remark.reasons))


def without_email(user: User) -> User:
    """An account whose email somebody else has."""
    remarks = (*user.remarks, EMAIL_TAKEN)
    return structs.replace(user, email=None, remarks=remarks)


def _weight(record: TaskRow | Unreadable) -> int:
    return sum(map(len, record.fields.values())) if type(record) is Unreadable else len(record.packed)


def _ids(records: Sequence[User | TaskRow | Unreadable]) -> list[str]:
    return [record.record_id for record in records if type(record) is Unreadable]

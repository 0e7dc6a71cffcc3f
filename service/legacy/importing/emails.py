"""An email belongs to one account: who gets one that several ask for."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct

from service.database import Connection
from service.legacy import store
from service.legacy.records import User

EMAIL_TAKEN: Final = "its email is another account's here and was left out"

_NEVER: Final = datetime(1, 1, 1, tzinfo=UTC)


class Holder(Struct, frozen=True):
    """Who has an email."""

    user_id: str
    last_login: datetime | None
    made_here: bool


class Emails(Struct, frozen=True):
    """What becomes of the emails of a batch's accounts, by the users' ids."""

    taken: frozenset[str]
    """They can't have theirs: somebody else has it."""
    released: list[str]
    """Their emails here go to others, and they get new ones themselves."""
    displaced: list[str]
    """Their emails here go to others who signed in later; they are left without."""


class Settling:
    """Settles emails, batch by batch. In a dry run it remembers who would have which by now."""

    def __init__(self, connection: Connection, *, dry_run: bool) -> None:
        self._connection = connection
        self._dry_run = dry_run
        self._promised: dict[str, Holder] = {}

    async def judge(self, users: Sequence[User], moved: Collection[str], *, last: bool) -> Emails:
        """Who gets theirs. Those of `moved` get others in this import: theirs are free.

        Until all others have theirs, whoever has one keeps it; of those that ask for one in the end, and whoever has it
        then, it is whose `last_login` is later, as with adopted tables. An account made here keeps its own.
        """
        taken: set[str] = set()
        released: list[str] = []
        displaced: list[str] = []
        promised = self._promised if self._dry_run else {}
        logins = {user.user_id: user.last_login for user in users}
        for user_id, email, holder in await self._asked(users):
            rival = promised.get(email)
            if rival is None and holder is not None and holder.user_id not in moved:
                rival = holder
            if rival is not None and rival.user_id != user_id:
                if not last or rival.made_here or not _later(logins[user_id], rival.last_login):
                    taken.add(user_id)
                    continue
                displaced.append(rival.user_id)
            elif holder is not None:
                released.append(holder.user_id)
            promised[email] = Holder(user_id, logins[user_id], made_here=False)
        return Emails(frozenset(taken), released, displaced)

    async def _asked(self, users: Sequence[User]) -> list[tuple[str, str, Holder | None]]:
        """Users with an email, those who signed in later first; the email as it is compared; who else has it here."""
        asking = sorted(users, key=lambda user: user.last_login or _NEVER, reverse=True)
        rows = await store.holders_of_emails(self._connection, asking)
        return [
            (user_id, email, None if holder is None else Holder(holder, login, made_here))
            for user_id, email, holder, login, made_here in rows
        ]


def _later(one: datetime | None, other: datetime | None) -> bool:
    return one is not None and (other is None or one > other)

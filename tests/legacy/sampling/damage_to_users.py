"""How to break a user, kind by kind."""

from collections.abc import Callable
from typing import Any

from tests.legacy.sampling.breakage import Breakage, Fate
from tests.legacy.sampling.drafts import Damage, UserDraft

Break = Callable[[UserDraft], None]

NUMBERS = ("current_credits", "total_credits_used")


def _both(**values: Any) -> Break:
    """Both copies say so."""

    def change(draft: UserDraft) -> None:
        draft.by_id |= values
        draft.by_email |= values

    return change


def _differ_in_balance(draft: UserDraft) -> None:
    draft.by_email["current_credits"] += 7


def _differ_in_used(draft: UserDraft) -> None:
    draft.by_email["current_credits"] = max(0, draft.by_email["current_credits"] - 40)
    draft.by_email["total_credits_used"] += 40


def _differ_in_login(draft: UserDraft) -> None:
    draft.by_email["current_credits"] += 100
    draft.by_id["last_login"] = "2024-02-29T23:59:59.999999"


def _lose_the_email_key(draft: UserDraft) -> None:
    draft.by_email = None


def _lose_the_id_key(draft: UserDraft) -> None:
    draft.by_id = None


def _leave_an_old_email_key(draft: UserDraft) -> None:
    old = f"old.{draft.email}"
    draft.other_emails = {old: draft.by_email | {"email": old, "last_login": "2024-02-29T23:59:59.999999"}}


def _write_numbers_as_text(draft: UserDraft) -> None:
    for copy in (draft.by_id, draft.by_email):
        copy |= {name: str(copy[name]) for name in NUMBERS}
        copy["is_active"] = "true" if copy["is_active"] else "false"


def _tear_both(draft: UserDraft) -> None:
    draft.by_id = f'{{"user_id": "{draft.user_id}", "email": '.encode()
    draft.by_email = b"None"


def _tear_the_id_copy(draft: UserDraft) -> None:
    draft.by_id = f'{{"user_id": "{draft.user_id}", "email": '.encode()


def _hold_a_hash(draft: UserDraft) -> None:
    draft.hash_instead = True
    draft.by_email = None


def _lack_an_email(draft: UserDraft) -> None:
    del draft.by_id["email"]
    draft.by_email = None


def _claim_the_neighbours_email(draft: UserDraft) -> None:
    draft.by_id["email"] = draft.neighbours_email
    draft.by_email = None


def _claim_it_in_capitals(draft: UserDraft) -> None:
    draft.email = draft.neighbours_email.upper()
    draft.by_id["email"] = draft.by_email["email"] = draft.email


def _have_a_long_id(draft: UserDraft) -> None:
    draft.user_id = f"usr_{draft.index}_".ljust(60, "x")
    draft.by_id["user_id"] = draft.by_email["user_id"] = draft.user_id


def _say_another_id(draft: UserDraft) -> None:
    draft.by_id["user_id"] = f"usr_another_{draft.index}"


DAMAGE_TO_USERS: dict[Breakage, Damage[UserDraft]] = {
    Breakage.COPIES_DIFFER_IN_BALANCE: Damage(Fate.IMPORTED, _differ_in_balance),
    Breakage.COPIES_DIFFER_IN_USED: Damage(Fate.IMPORTED, _differ_in_used),
    Breakage.COPIES_DIFFER_IN_LOGIN: Damage(Fate.IMPORTED, _differ_in_login),
    Breakage.ONLY_ID_KEY: Damage(Fate.IMPORTED, _lose_the_email_key),
    Breakage.ONLY_EMAIL_KEY: Damage(Fate.IMPORTED, _lose_the_id_key),
    Breakage.STALE_EMAIL_KEY: Damage(Fate.IMPORTED, _leave_an_old_email_key),
    Breakage.BALANCE_NEGATIVE: Damage(Fate.IMPORTED, _both(current_credits=-15)),
    Breakage.NUMBERS_AS_TEXT: Damage(Fate.IMPORTED, _write_numbers_as_text),
    Breakage.USER_NOT_JSON: Damage(Fate.QUARANTINED, _tear_both),
    Breakage.ID_COPY_NOT_JSON: Damage(Fate.IMPORTED, _tear_the_id_copy),
    Breakage.USER_KEY_OF_WRONG_TYPE: Damage(Fate.QUARANTINED, _hold_a_hash),
    Breakage.EMAIL_MISSING: Damage(Fate.IMPORTED, _lack_an_email),
    Breakage.EMAIL_TAKEN: Damage(Fate.JUDGED, _claim_the_neighbours_email),
    Breakage.EMAIL_TAKEN_IN_OTHER_CASE: Damage(Fate.JUDGED, _claim_it_in_capitals),
    Breakage.USER_ID_TOO_LONG: Damage(Fate.QUARANTINED, _have_a_long_id),
    Breakage.USER_ID_DIFFERS: Damage(Fate.JUDGED, _say_another_id),
}

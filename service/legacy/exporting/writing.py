"""A row of ours in the old layout: what the system before this one reads, and an import reads back to the same."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Struct

from schema.models.accounts import UserRecord
from schema.models.tasks import StoredResult, TaskRecord, TaskStatus
from service.legacy.records import Fields
from service.legacy.records.tasks import Zone
from service.legacy.records.users import BY_EMAIL, BY_ID
from service.legacy.records.values import time_of

RUNS_HERE: Final = "it is being run here; there it waits at the queue's head, and is run again"
REPEATED_HOUR: Final = "it has a time in the hour that the old server's clock repeats: there it is an hour earlier"

AddressOf = Callable[[str], str]
"""Where a file of ours can be loaded from, by its id."""


class Written(Struct, frozen=True):
    """A record in the old layout: a task's hash, or a user's copies under their keys; and what is to be known of it."""

    record_id: str
    fields: Fields
    remarks: tuple[str, ...] = ()


def written_task(task: TaskRecord, zone: Zone, address_of: AddressOf) -> Written:
    """A task's hash. What is being run here waits there."""
    clock = _Clock(zone)
    runs = task.status is TaskStatus.PROCESSING
    status = TaskStatus.PENDING if runs else task.status
    data = {
        "mode": task.mode,
        "source_image": task.source_image,
        "reference_image": task.reference_image,
        "config": task.config,
        "user_id": task.user_id,
        "credits_consumed": task.credits_consumed,
    }
    fields: dict[str, str | None] = {
        "task_id": task.task_id,
        "status": status,
        "data": _json(data),
        "progress": "0" if runs else str(task.progress),
        "current_step": None if runs else task.current_step,
        "created_at": clock.told(task.created_at),
        "updated_at": clock.told(task.updated_at),
    }
    if status.ended:
        fields |= {
            "result": None if task.result is None else _json(_result(task.result, address_of)),
            "error": None if task.error is None else _json(task.error),
            "completed_at": clock.told(task.completed_at),
            "failed_at": clock.told(task.failed_at),
            "cancelled_at": clock.told(task.cancelled_at),
        }
    remarks = (*([RUNS_HERE] if runs else []), *clock.remarks)
    return Written(task.task_id, _bytes(fields), remarks)


def _result(stored: StoredResult, address_of: AddressOf) -> dict[str, Any]:
    """The addresses that the old system gave its pictures stay; those of ours are URLs, relative without PUBLIC_URL."""
    legacy = stored.legacy

    def picture(kept: str | None, file_id: str | None) -> str | None:
        return kept if kept is not None or file_id is None else address_of(file_id)

    return {
        "output_image": picture(legacy and legacy.output_image, stored.output_file_id),
        "thumbnail": picture(legacy and legacy.thumbnail, stored.thumbnail_file_id),
        "comparison_image": picture(legacy and legacy.comparison_image, stored.comparison_file_id),
        "metadata": stored.metadata,
    }


def written_user(user: UserRecord, zone: Zone) -> Written:
    """A user's copies: the same JSON under the id, and under the email where there is one."""
    clock = _Clock(zone)
    copy = _json(
        {
            "user_id": user.user_id,
            "email": user.email,
            "username": user.username,
            "avatar": user.avatar,
            "created_at": clock.told(user.created_at),
            "last_login": clock.told(user.last_login),
            "is_active": user.is_active,
            "signup_bonus_granted": user.signup_bonus_granted,
            "password_hash": user.password_hash,
            "has_password": user.has_password,
            "current_plan_id": user.current_plan_id,
            "current_credits": user.current_credits,
            "plan_renew_at": clock.told(user.plan_renew_at),
            "total_credits_used": user.total_credits_used,
        }
    ).encode()
    keys = [BY_ID + user.user_id.encode()]
    if user.email is not None:
        keys.append(BY_EMAIL + user.email.encode())
    return Written(user.user_id, dict.fromkeys(keys, copy), clock.remarks)


class _Clock:
    """The old server's: its times say no zone."""

    def __init__(self, zone: Zone) -> None:
        self._zone = zone.info
        self.remarks: tuple[str, ...] = ()

    def told(self, moment: datetime | None) -> str | None:
        if moment is None:
            return None
        try:
            text = moment.astimezone(self._zone).replace(tzinfo=None).isoformat()
        except OverflowError:  # at the end of time, with its zone
            return moment.isoformat()
        if time_of(text, self._zone) != moment:
            self.remarks = (REPEATED_HOUR,)
        return text


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _bytes(fields: Mapping[str, str | None]) -> Fields:
    """An empty text is as good as none to the old system."""
    return {name.encode(): value.encode() for name, value in fields.items() if value}

"""An old Redis that is far away is asked a few times, however many records it has."""

from typing import Any

import msgspec
import pytest
import redis

from service.legacy.source import LegacyRedis
from tests.service.legacy.moves import PREFIX, Old


def test_users_with_a_copy_under_their_email_alone_are_asked_for_together(
    old: Old, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = {f"usr_{number}": f"u{number}@example.test" for number in range(50)}
    for user_id, email in users.items():
        old.redis.set(f"user:email:{email}", msgspec.json.encode({"user_id": user_id, "email": email}))
    asked: list[int] = []
    really = redis.Redis.mget

    def counted(client: Any, keys: Any, *more: Any) -> Any:
        asked.append(len(keys))
        return really(client, keys, *more)

    monkeypatch.setattr(redis.Redis, "mget", counted)
    source = LegacyRedis(old.url, PREFIX)
    try:
        found = [user for batch in source.users() for user in batch]
    finally:
        source.close()
    assert {user.user_id: [*user.copies] for user in found} == {
        user_id: [f"user:email:{email}".encode()] for user_id, email in users.items()
    }
    assert len(asked) < 10, asked

"""Users of the old system with nothing wrong with them."""

from random import Random
from typing import Any

from tests.legacy.sampling.drafts import UserDraft
from tests.legacy.sampling.names import Names, naive_time

_NAMES = ("anna", "李雷", "Jürgen.Grün", "韩梅梅", "maria_luisa", "Ελένη", "bob", "Chloé", "佐藤", "dmitri")
_PLANS = ("starter", "basic", "pro", "ultimate", None, None)
_BCRYPT = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_SIGNED_UP_BEFORE_SECONDS = 400 * 86_400


class UserMaker:
    """Makes the users of a sample, one after the other."""

    def __init__(self, names: Names, random: Random, epoch: int) -> None:
        self._names = names
        self._random = random
        self._epoch = epoch

    def make(self, index: int) -> UserDraft:
        """A user with both copies alike."""
        random = self._random
        user_id = self._names.user_id(index)
        email = _email(index)
        made = self._epoch - random.randrange(200 * 86_400, _SIGNED_UP_BEFORE_SECONDS)
        plan = random.choice(_PLANS)
        password = None
        if random.random() < 0.7:
            password = "$2b$12$" + "".join(random.choice(_BCRYPT) for _ in range(53))
        user: dict[str, Any] = {
            "user_id": user_id,
            "email": email,
            "username": random.choice((_NAMES[index % len(_NAMES)], f"用户{index} 🎨", None)),
            "avatar": random.choice((None, "https://cdn.example.com/头像.png", "/avatars/1.png")),
            "created_at": naive_time(made, random.randrange(1_000_000)).decode(),
            "last_login": naive_time(made + random.randrange(200 * 86_400), random.randrange(1_000_000)).decode(),
            "is_active": random.random() < 0.97,
            "signup_bonus_granted": True,
            "password_hash": password,
            "has_password": password is not None,
            "current_plan_id": plan,
            "current_credits": random.randrange(0, 5_000),
            "plan_renew_at": None if plan is None else naive_time(self._epoch + 86_400 * (index % 30), 0).decode(),
            "total_credits_used": random.randrange(0, 20_000),
        }
        return UserDraft(index, user_id, email, _email(max(0, index - 1)), user, dict(user))


def _email(index: int) -> str:
    return f"{_NAMES[index % len(_NAMES)]}.{index}@{'例子.公司' if index % 50 == 7 else 'example.com'}"

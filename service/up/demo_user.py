"""The user of `up --demo-user`: made once, key kept in the data directory."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from service.embedded.errors import EmbeddedError
from service.embedded.private_files import write_private
from service.up.commands import Commands, run_for_json

EMAIL = "demo@darkroom.local"
_CREDITS = 10_000


@dataclass(frozen=True, slots=True)
class DemoUser:
    """An account and its API key."""

    user_id: str
    email: str
    api_key: str


def kept_demo_user(path: Path) -> DemoUser | None:
    """The demo user as an earlier run left it."""
    try:
        kept = json.loads(path.read_text())
        return DemoUser(kept["user_id"], kept["email"], kept["api_key"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


async def make_demo_user(path: Path, commands: Commands, environment: Mapping[str, str]) -> DemoUser:
    """Make the user, or a new key if there is one already: an earlier run was killed before it had kept the key.

    Raises:
        EmbeddedError: neither works; the message is why the user can't be made.
    """
    try:
        made = await run_for_json(commands.user("create", EMAIL, "--credits", str(_CREDITS)), environment)
    except EmbeddedError as refusal:
        try:
            made = await _new_key(commands, environment)
        except EmbeddedError:
            raise EmbeddedError(f"The demo user can't be made: {refusal}") from None
    try:
        user = DemoUser(str(made["user_id"]), EMAIL, str(made["api_key"]))
    except KeyError as missing:
        raise EmbeddedError(f"The demo user can't be made: {missing} wasn't told") from None
    write_private(path, json.dumps(asdict(user), indent=2) + "\n")
    return user


async def link_of_demo_user(commands: Commands, environment: Mapping[str, str], directory: Path) -> str | None:
    """A link that signs a browser in as the demo user, once; None when it can't be made, and a key will do."""
    try:
        made = await run_for_json(commands.user("link", EMAIL, "--data-dir", str(directory)), environment)
    except EmbeddedError:
        return None
    return str(made["url"]) if "url" in made else None


async def _new_key(commands: Commands, environment: Mapping[str, str]) -> dict[str, Any]:
    made = await run_for_json(commands.user("key", EMAIL), environment)
    if "user_id" not in made:
        made = await run_for_json(commands.user("show", EMAIL), environment) | made
    return made

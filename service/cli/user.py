"""`darkroom user`: accounts, their credits, keys and tokens."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from schema.credits import MOST_CREDITS
from schema.identifiers import is_id
from service.cli.group import Group
from service.cli.kinds import WholeNumber
from service.cli.options import data_dir_option, print_json, settings_for, with_connection

if TYPE_CHECKING:
    from schema.models.accounts import Scope, UserRecord
    from service.database import Connection

LONGEST_USER_ID = 50
LONGEST_NAME = 100


class Who(click.ParamType[str]):
    """An id or an email; nobody has one that can't be printed, which is what bytes from elsewhere become."""

    name = "user"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not value.isprintable():
            self.fail("takes an id or an email", param, ctx)
        return value


class Name(click.ParamType[str]):
    """A few words in one line."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        value = value.strip()
        if not (value and len(value) <= LONGEST_NAME and value.isprintable()):
            self.fail(f"takes a line of up to {LONGEST_NAME} characters", param, ctx)
        return value


who_argument = click.argument("who", metavar="USER", type=Who())


@click.group(cls=Group)
def user() -> None:
    """Accounts. USER is an id or an email."""


@user.command()
@click.argument("email")
@click.option("--credits", "credits_", type=WholeNumber(0, MOST_CREDITS), default=100, show_default=True)
@click.option("--user-id", help="An id from elsewhere; made up otherwise.")
@click.option("--admin", is_flag=True, help="Its key may look at the operator's page.")
@data_dir_option
def create(email: str, credits_: int, user_id: str | None, admin: bool, data_dir: Path | None) -> None:
    """Make an account with its first key, which is shown once."""
    if "@" not in email.strip("@") or any(not character.isprintable() or character == " " for character in email):
        raise click.BadParameter(f"{email!r} is not an email address", param_hint="EMAIL")
    if user_id is not None and not (is_id(user_id) and len(user_id) <= LONGEST_USER_ID):
        raise click.BadParameter("takes up to 50 letters, digits, - and _", param_hint="--user-id")

    from service.accounts import users

    async def work(connection: "Connection") -> Any:
        return await users.create_user(connection, email, credits_=credits_, user_id=user_id, scope=_scope(admin))

    print_json(with_connection(data_dir, work))


@user.command("list")
@click.option("--limit", type=WholeNumber(1, 1000), default=50, show_default=True, help="How many at most.")
@click.option("--after", metavar="ID", default="", type=Who(), help="Begin after this user: the next page.")
@click.option("--json", "as_json", is_flag=True, help="For programs: {users: [...], next}.")
@data_dir_option
def list_(limit: int, after: str, as_json: bool, data_dir: Path | None) -> None:
    """List accounts, by id."""
    from service.accounts import users
    from service.telling.printable import printable

    async def work(connection: "Connection") -> "list[UserRecord]":
        # One more tells whether there is a next page.
        return await users.list_users(connection, after=after, limit=limit + 1)

    found = with_connection(data_dir, work)
    page, following = found[:limit], found[limit - 1].user_id if len(found) > limit else None
    if as_json:
        print_json({"users": [_shown(one) for one in page], "next": following})
        return
    width = max((len(one.user_id) for one in page), default=0)
    for one in page:
        suspended = "" if one.is_active else "  suspended"
        line = f"{one.user_id:{width}}  {one.current_credits:>10,}  {one.created_at:%Y-%m-%d}  {one.email or '-'}"
        click.echo(printable(line + suspended))
    if following is not None:
        click.echo(f"There are more: --after {printable(following)}", err=True)


@user.command()
@who_argument
@data_dir_option
def suspend(who: str, data_dir: Path | None) -> None:
    """Refuse a user's keys and tokens, within seconds. Their tasks go on, and signed URLs live on until they expire."""
    _set_active(who, data_dir, active=False)


@user.command()
@who_argument
@data_dir_option
def resume(who: str, data_dir: Path | None) -> None:
    """Let a suspended user in again."""
    _set_active(who, data_dir, active=True)


def _set_active(who: str, data_dir: Path | None, *, active: bool) -> None:
    from service.accounts import users

    async def work(connection: "Connection") -> Any:
        return _shown(await users.set_active(connection, who, active))

    print_json(with_connection(data_dir, work))


def _shown(found: "UserRecord") -> dict[str, Any]:
    """An account as operators see it."""
    from msgspec import structs

    from service.accounts.users import as_account

    return {**structs.asdict(as_account(found)), "is_active": found.is_active}


# What is no option is an argument here: N may be negative.
@user.command(context_settings={"ignore_unknown_options": True})
@who_argument
@click.argument("amount", metavar="N", type=WholeNumber(-MOST_CREDITS, MOST_CREDITS))
@click.option("--reason", help="Kept in the ledger.")
@data_dir_option
def grant(who: str, amount: int, reason: str | None, data_dir: Path | None) -> None:
    """Give N credits, or take them when N is negative."""
    if amount == 0:
        raise click.UsageError("N is 0: there is nothing to give or to take")
    from service.accounts import users
    from service.database.away import UNAVAILABLE, is_lost

    async def work(connection: "Connection") -> Any:
        found = await users.find_user(connection, who)
        try:
            balance = await users.grant(connection, who, amount, reason)
        except UNAVAILABLE as error:
            if is_lost(error):
                raise click.ClickException(
                    "The connection to PostgreSQL broke off before it told whether the credits were granted. "
                    f"See whether they were before you grant them again: darkroom user show {found.user_id}"
                ) from None
            raise
        return {"user_id": found.user_id, "current_credits": balance}

    print_json(with_connection(data_dir, work))


@user.command()
@who_argument
@click.option("--name", type=Name(), help="What the new key is for, to tell it from others.")
@click.option("--admin", is_flag=True, help="The new key may look at the operator's page.")
@click.option("--list", "listing", is_flag=True, help="List the keys with their last use instead of making one.")
@click.option("--revoke", metavar="ID", help="Revoke this key instead of making one.")
@data_dir_option
def key(who: str, name: str | None, admin: bool, listing: bool, revoke: str | None, data_dir: Path | None) -> None:
    """Make one more key, which is shown once; or list them, or revoke one."""
    if sum((listing, revoke is not None, name is not None or admin)) > 1:
        raise click.UsageError("--list, --revoke, or a new key with --name and --admin: one at a time")
    from service.accounts import keys, users

    async def work(connection: "Connection") -> Any:
        found = await users.find_user(connection, who)
        if listing:
            return await keys.list_keys(connection, found.user_id)
        if revoke is None:
            issued = await keys.issue_key(connection, found.user_id, name, scope=_scope(admin))
            return {
                "user_id": found.user_id,
                "key_id": issued.key_id,
                "name": name,
                "scope": _scope(admin),
                "api_key": issued.api_key,
            }
        if not await keys.revoke_key(connection, found.user_id, revoke):
            raise click.ClickException(f"{who} has no key {revoke}, or it was revoked already")
        return {"user_id": found.user_id, "key_id": revoke, "revoked": True}

    print_json(with_connection(data_dir, work))


def _scope(admin: bool) -> "Scope":
    from schema.models.accounts import Scope

    return Scope.ADMIN if admin else Scope.USER


@user.command()
@who_argument
@click.option("--operator", is_flag=True, help="For the operator's page, too.")
@data_dir_option
def link(who: str, operator: bool, data_dir: Path | None) -> None:
    """Make a link that signs a browser in as the user: good once, for 15 minutes."""
    from service.accounts import sessions, users
    from service.settings.sources import address_of_up

    settings = settings_for(data_dir)
    address = settings.public_url or address_of_up(data_dir) or f"http://127.0.0.1:{settings.port}"

    async def work(connection: "Connection") -> Any:
        found = await users.find_user(connection, who)
        issued = await sessions.issue_link(connection, found.user_id, _scope(operator))
        return {"user_id": found.user_id, "url": issued.url(address), "expires_at": issued.expires_at}

    print_json(with_connection(data_dir, work))


@user.command()
@who_argument
@data_dir_option
def token(who: str, data_dir: Path | None) -> None:
    """Sign a JWT for one hour, with the first SECRET_KEY."""
    from service.accounts import users
    from service.accounts.tokens import issue_token

    secret_keys = settings_for(data_dir).require_secret()

    async def work(connection: "Connection") -> "UserRecord":
        return await users.find_user(connection, who)

    click.echo(issue_token(secret_keys, with_connection(data_dir, work).user_id))


@user.command()
@who_argument
@data_dir_option
def show(who: str, data_dir: Path | None) -> None:
    """Show an account and its balance."""
    from service.accounts import users

    async def work(connection: "Connection") -> Any:
        return _shown(await users.find_user(connection, who))

    print_json(with_connection(data_dir, work))


@user.command()
@who_argument
@click.option("--yes", is_flag=True, help="Don't ask.")
@data_dir_option
def delete(who: str, yes: bool, data_dir: Path | None) -> None:
    """Erase an account with its files, tasks and keys; the ledger is kept without the person."""
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError(f"nobody is there to ask whether to erase {who}: say --yes")
        click.confirm(f"Erase {who} with all files and tasks?", abort=True, err=True)
    from service.accounts import users

    async def work(connection: "Connection") -> Any:
        return {"user_id": await users.erase_user(connection, who), "deleted": True}

    print_json(with_connection(data_dir, work))

"""`darkroom webhook`: a receiver to try webhooks with."""

from pathlib import Path

import click

from service.cli.group import Group
from service.cli.interrupting import ending_at_once
from service.cli.kinds import WholeNumber
from service.cli.options import data_dir_option, settings_for, with_connection


@click.group(cls=Group)
def webhook() -> None:
    """Webhooks: docs/webhooks.md tells what is sent, and how to check it."""


@webhook.command()
@click.option("--port", type=WholeNumber(0, 65_535), default=9000, show_default=True, help="0 picks a free one.")
@click.option("--user", "who", metavar="USER", help="Whose webhooks come: an id or an email; by default the demo user.")
@click.option("--secret", metavar="WHSEC", help="What they are signed with, if the database can't be asked.")
@data_dir_option
def listen(port: int, who: str | None, secret: str | None, data_dir: Path | None) -> None:
    """Print what comes, and whether its signature is right, until Ctrl-C."""
    with ending_at_once():
        from service.webhooks.listening import receiver

    secrets = [secret] if secret else _secrets_of(who, data_dir)
    try:
        server = receiver(port, secrets, click.echo)
    except OSError as error:
        raise click.ClickException(f"port {port} can't be listened at: {error.strerror}") from None
    with server:
        click.echo(f"Listening: take http://127.0.0.1:{server.server_address[1]}/ as webhook_url. Ctrl-C stops.")
        click.echo("A service on this machine calls it if it was started with WEBHOOK_ALLOW_PRIVATE=true.")
        server.serve_forever()


def _secrets_of(who: str | None, data_dir: Path | None) -> list[str]:
    from service.accounts.users import find_user
    from service.database import Connection
    from service.up.demo_user import EMAIL
    from service.webhooks.secrets import Seal, secrets_of

    seal = Seal(settings_for(data_dir).require_secret())

    async def read(connection: Connection) -> list[str]:
        return await secrets_of(connection, seal, (await find_user(connection, who or EMAIL)).user_id)

    return with_connection(data_dir, read)

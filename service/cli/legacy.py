"""`darkroom legacy`: the data of the system before this one moves over."""

from pathlib import Path

import click

from service.cli.group import Group
from service.cli.kinds import Place
from service.cli.options import data_dir_option, print_json, settings_for


def _zone(_: click.Context, __: click.Parameter, name: str | None) -> str | None:
    from service.legacy.records.values import UnknownZone, zone_of

    try:
        return name if name is None else (zone_of(name), name)[1]
    except UnknownZone as error:
        raise click.BadParameter(str(error)) from None


def _reason(_: click.Context, __: click.Parameter, reason: str | None) -> str | None:
    if reason is not None and not (reason := reason.strip()):
        raise click.BadParameter("takes the reason, in some words")
    return reason


def _redis_url(_: click.Context, __: click.Parameter, url: str | None) -> str | None:
    from service.settings import REDIS_URL_TAKES
    from service.urls.parameters import WrongParameter
    from service.urls.redis import read_redis_url
    from service.urls.splitting import NotAUrl

    try:
        return None if url is None else read_redis_url(url)
    except NotAUrl:
        raise click.BadParameter(f"takes {REDIS_URL_TAKES}") from None
    except WrongParameter as error:
        raise click.BadParameter(f"takes {error}") from None


redis_url_option = click.option(
    "--redis-url", callback=_redis_url, help="The old system's Redis.  [default: LEGACY_REDIS_URL]"
)
prefix_option = click.option("--prefix", help="What its keys begin with.  [default: LEGACY_PREFIX, or formy:]")
timezone_option = click.option(
    "--timezone",
    callback=_zone,
    help="The zone of the old server's clock, such as Asia/Shanghai.  [default: the last import's, or UTC]",
)
report_option = click.option(
    "--report",
    type=Place(),
    help="Write everything that was found to this JSON file.",
)


@click.group(cls=Group)
def legacy() -> None:
    """Move the data of the system before this one over: import it, as often as you like, compare, and go back."""


@legacy.command("import")
@redis_url_option
@prefix_option
@timezone_option
@click.option("--users-only", is_flag=True, help="Only accounts, such as new ones of the old sign-in: quickly.")
@click.option("--dry-run", is_flag=True, help="Tell what would happen, and change nothing.")
@click.option(
    "--take-over", is_flag=True, help="The old workers are stopped: waiting and interrupted tasks are run here."
)
@click.option(
    "--files",
    type=Place(exists=True, file_okay=False),
    help="The old system's folder of uploads and results: bring them along.",
)
@report_option
@data_dir_option
def import_(
    redis_url: str | None,
    prefix: str | None,
    timezone: str | None,
    users_only: bool,
    dry_run: bool,
    take_over: bool,
    files: Path | None,
    report: Path | None,
    data_dir: Path | None,
) -> None:
    """Bring users and tasks from the old Redis into PostgreSQL.

    Nothing is written to the old Redis. It may be interrupted and repeated: a second run changes nothing but what has
    changed there. Unfinished tasks are only read here until --take-over.
    """
    if users_only and (take_over or files):
        raise click.UsageError("--users-only goes neither with --take-over nor with --files")
    from service.cli.moving import run_import
    from service.legacy.moving import Wishes

    settings = settings_for(data_dir)
    wishes = Wishes(
        prefix=prefix or settings.legacy_prefix,
        timezone=timezone,
        take_over=take_over,
        users_only=users_only,
        dry_run=dry_run,
    )
    print_json(run_import(settings, redis_url, wishes, files, report))


@legacy.command()
@redis_url_option
@prefix_option
@timezone_option
@click.option(
    "--accept",
    metavar="REASON",
    callback=_reason,
    help="You have looked at every difference that is found, and it is all right: until it changes again.",
)
@report_option
@data_dir_option
def verify(
    redis_url: str | None,
    prefix: str | None,
    timezone: str | None,
    accept: str | None,
    report: Path | None,
    data_dir: Path | None,
) -> None:
    """Compare the old Redis and PostgreSQL, record by record, in both directions. Exit 1 if anything differs.

    What was done here since the import is no difference, nor are records in quarantine that are as they were, nor what
    was accepted.
    """
    from service.cli.moving import run_comparison

    settings = settings_for(data_dir)
    summary = run_comparison(settings, redis_url, prefix or settings.legacy_prefix, timezone, accept, report)
    print_json(summary)
    if not summary["equal"]:
        raise click.ClickException(f"{summary['differences']} differences; the first are listed above")


@legacy.command()
@click.option("--redis-url", callback=_redis_url, required=True, help="The Redis to write to.")
@prefix_option
@timezone_option
@click.option("--force", is_flag=True, help="Write even to the Redis that was imported from.")
@click.option("--remove-deleted", is_flag=True, help="Remove there what was deleted here. Otherwise it is only told.")
@report_option
@data_dir_option
def export(
    redis_url: str,
    prefix: str | None,
    timezone: str | None,
    force: bool,
    remove_deleted: bool,
    report: Path | None,
    data_dir: Path | None,
) -> None:
    """The way back: write what changed here since the import to a Redis, as the old system keeps it.

    Accounts with their balances, tasks with what came of them, and the queue. What has changed there since is left, and
    told. It may be interrupted and repeated, and an import of what it wrote changes nothing. Stop the API and the
    workers first.
    """
    from service.cli.moving import run_export

    settings = settings_for(data_dir)
    print_json(
        run_export(
            settings,
            redis_url,
            prefix or settings.legacy_prefix,
            report,
            timezone=timezone,
            force=force,
            remove_deleted=remove_deleted,
        )
    )

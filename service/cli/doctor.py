"""`darkroom doctor`: what is wrong, and what to do about it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from service.cli.options import data_dir_option, print_json, settings_for
from service.health.findings import Finding, Health

if TYPE_CHECKING:
    from service.settings import Settings

MARKS = {Health.OK: ("ok     ", "green"), Health.WRONG: ("wrong  ", "red"), Health.UNKNOWN: ("unknown", "yellow")}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs: {healthy, findings: [...]}.")
@data_dir_option
def doctor(as_json: bool, data_dir: Path | None) -> None:
    """Check database, API, workers, tasks, ledger, models, storage, Redis and engines. Exit 1 if anything is wrong."""
    import asyncio

    from actors.engines.local.models import missing_model
    from service.cli.doctor_engines import engines
    from service.health.diagnosis import examine

    settings = settings_for(data_dir)

    async def visit() -> list[Finding]:
        findings: list[Finding] = []
        for part in (examine(settings, missing_model() or _unusable(settings)), engines(settings)):
            async for finding in part:
                findings.append(finding)
                if not as_json:
                    _show(finding)
        return findings

    findings = asyncio.run(visit())
    healthy = all(finding.health is not Health.WRONG for finding in findings)
    if as_json:
        print_json({"healthy": healthy, "findings": findings})
    sys.exit(0 if healthy else 1)


def _unusable(settings: "Settings") -> str | None:
    """What is wrong with a model that was brought, and how to find out more."""
    from service.cli.models import use_models
    from service.settings.sources import SettingsError

    try:
        use_models(settings)
    except SettingsError as error:
        return f"{error}: look with `darkroom models check`."
    return None


def _show(finding: Finding) -> None:
    mark, colour = MARKS[finding.health]
    click.echo(f"{click.style(mark, fg=colour)} {finding.check}: {finding.message}")
    if finding.remedy is not None:
        click.echo(f"        {finding.remedy}")

"""`darkroom workflow`: workflows of ComfyUI and RunningHub; docs/workflows.md tells how to bring one."""

import os
from pathlib import Path

import click


@click.group()
def workflow() -> None:
    """Workflows of ComfyUI and RunningHub: see docs/workflows.md."""


@workflow.command()
@click.argument("file", type=click.Path(path_type=Path))
def settings(file: Path) -> None:
    """The existing system's engine_config.yml FILE as lines for .env. Keys are never printed: copy them by hand."""
    from service.legacy.engine_config import UnreadableConfig, lines, translate

    try:
        translation = translate(_text(file), os.environ)
    except UnreadableConfig as error:
        raise click.ClickException(f"{file} isn't the existing system's configuration: {error}") from None
    for line in lines(translation):
        click.echo(line)


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8-sig")
    except OSError as error:
        raise click.ClickException(f"{file} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise click.ClickException(f"{file} can't be read: it isn't UTF-8 text") from None

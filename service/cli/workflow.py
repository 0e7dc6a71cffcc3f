"""`darkroom workflow`: workflows of ComfyUI and RunningHub; docs/workflows.md tells how to bring one."""

import os
import re
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from schema.models.edits import CONFIG_TYPES, Mode
from service.cli.editing import LARGEST_PHOTO, Order, config_option, explained, make, mode_type, output_option
from service.cli.group import Group
from service.cli.kinds import Place
from service.cli.options import needless_data_dir_option
from service.cli.piped import as_files
from service.processes.cores import usable_cores
from service.telling.printable import printable

if TYPE_CHECKING:
    from actors.engines.seam import Engine
    from actors.engines.workflows.driver import Graph
    from schema.models.engines import WorkflowSettings

ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""As RUNNINGHUB_WORKFLOW_... takes it."""

mode_option = click.option("--mode", type=mode_type, help="What it is for. Absent: as its titles tell.")


@click.group(cls=Group)
def workflow() -> None:
    """Workflows of ComfyUI and RunningHub: see docs/workflows.md."""


@workflow.command()
@click.argument("workflow", metavar="FILE|ID")
@mode_option
@needless_data_dir_option
def check(workflow: str, mode: str | None) -> None:
    """Whether FILE, or the workflow ID of RunningHub, can be a mode's workflow. Exit 1 and what to mend if not.

    A FILE is compared with the first server of COMFYUI_URL that answers; RunningHub has the nodes of its workflows.
    """
    import asyncio

    from service.cli.workflow_check import checked

    graph, settings = _graph(workflow, workflow)
    chosen = _mode(mode, graph)
    checking = checked(graph, chosen, settings, compared=Path(workflow).exists())
    told, problems = asyncio.run(checking)
    click.echo(f"{workflow} for {chosen}:")
    # Titles and names are others' words.
    for line in told:
        click.echo(f"  {printable(line)}")
    for problem in problems:
        click.echo(f"  wrong: {printable(problem)}")
    if problems:
        raise click.ClickException(f"{workflow} can't be used as it is")


@workflow.command()
@click.argument("workflow", metavar="FILE|ID")
@click.argument("source", type=Place())
@click.argument("reference", type=Place(), required=False)
@output_option
@mode_option
@config_option
@needless_data_dir_option
def run(workflow: str, source: Path, reference: Path | None, output: Path, mode: str | None, config: str) -> None:
    """Try FILE on COMFYUI_URL, or the workflow ID on RunningHub: one edit of the photo SOURCE, as a worker makes it."""
    from actors.engines.workflows.graph import LARGEST

    with ExitStack() as stack:
        named = workflow
        if Path(workflow).exists():
            workflow = str(stack.enter_context(as_files(Path(workflow), most=LARGEST))[0])
        graph, settings = _graph(workflow, named)
        photo, other = stack.enter_context(as_files(source, reference, most=LARGEST_PHOTO))
        order = Order(_mode(mode, graph), photo, other, config, output)
        make(order, lambda: _engine(workflow, order.mode, settings), explained)


@workflow.command()
@click.argument("file", type=Place())
@needless_data_dir_option
def settings(file: Path) -> None:
    """The existing system's engine_config.yml FILE as lines for .env. Keys are never printed: copy them by hand."""
    from service.legacy.engine_config import UnreadableConfig, lines, translate

    try:
        translation = translate(_text(file, str(file)), os.environ)
    except UnreadableConfig as error:
        raise click.ClickException(f"{file} isn't the existing system's configuration: {error}") from None
    for line in lines(translation):
        click.echo(line)


def _graph(workflow: str, named: str) -> "tuple[Graph, WorkflowSettings]":
    """The workflow in a file, perhaps the copy of the one that was named, or with an id; and what is set.

    Raises:
        click.ClickException: there is none, or it isn't in API format.
        SettingsError: what is set is wrong.
    """
    from actors.engines.workflows.graph import WorkflowError, parse_graph
    from service.settings.engines import load_workflow_settings

    settings = load_workflow_settings(os.environ)
    file = Path(workflow)
    if not file.exists() and ID.fullmatch(workflow):
        return _of_runninghub(workflow, settings), settings
    try:
        return parse_graph(_text(file, named)), settings
    except WorkflowError as error:
        raise click.ClickException(f"{named}: {error}") from None


def _of_runninghub(workflow_id: str, settings: "WorkflowSettings") -> "Graph":
    import asyncio

    from actors.engines.workflows.driver import DriverError
    from actors.engines.workflows.runninghub import RunningHub

    async def asked() -> "Graph":
        driver = RunningHub(settings)
        try:
            return await driver.workflow(workflow_id)
        finally:
            await driver.close()

    try:
        return asyncio.run(asked())
    except DriverError as error:
        raise click.ClickException(f"workflow {workflow_id}: {printable(error.detail or error.message)}") from None


def _mode(named: str | None, graph: "Graph") -> Mode:
    """The mode that was named, or that the titles of a workflow's photos tell.

    Raises:
        click.UsageError: neither does.
    """
    from actors.engines.workflows.checking import mode_of

    mode = Mode(named) if named is not None else mode_of(graph)
    if mode is None:
        raise click.UsageError(
            f"its titles don't tell which mode it is for: give --mode, one of {', '.join(CONFIG_TYPES)}"
        )
    return mode


def _engine(workflow: str, mode: Mode, settings: "WorkflowSettings") -> "Engine":
    from msgspec import structs

    from actors.engines.workflows.comfyui.driver import ComfyUI
    from actors.engines.workflows.desk import Desk
    from actors.engines.workflows.engine import WorkflowEngine
    from actors.engines.workflows.runninghub import RunningHub

    desk = Desk(threads=usable_cores())
    if Path(workflow).is_file():
        with_file = structs.replace(settings, comfyui_workflows={mode: workflow})
        return WorkflowEngine(ComfyUI(with_file), with_file, desk)
    with_id = structs.replace(settings, runninghub_workflows={mode: workflow})
    return WorkflowEngine(RunningHub(with_id), with_id, desk)


def _text(file: Path, named: str) -> str:
    from actors.engines.workflows.graph import LARGEST, read_workflow

    try:
        content = read_workflow(file)
        if len(content) > LARGEST:
            raise click.ClickException(f"{named} can't be read: it is larger than {LARGEST >> 20} MB")
        return content.decode("utf-8-sig")
    except OSError as error:
        raise click.ClickException(f"{named} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise click.ClickException(f"{named} can't be read: it isn't UTF-8 text") from None

"""What commands take for numbers and paths."""

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from service.cli.group import darkroom
from service.cli.kinds import Place, WholeNumber


def parameters(command: click.Command, name: str = "darkroom") -> Iterator[tuple[str, click.Parameter]]:
    """All of them, of all commands below one."""
    yield from ((f"{name} {one.name}", one) for one in command.params)
    if isinstance(command, click.Group):
        context = click.Context(command)
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            assert found is not None
            yield from parameters(found, f"{name} {below}")


def test_no_command_takes_numbers_and_paths_of_other_kinds() -> None:
    kinds = {name: one.type for name, one in parameters(darkroom)}
    assert {"darkroom up data_dir", "darkroom user grant amount", "darkroom models check file"} <= kinds.keys()
    too_much = (click.Path, click.File, type(click.INT), type(click.FLOAT))
    assert [
        name for name, kind in kinds.items() if isinstance(kind, too_much) and not isinstance(kind, Place | WholeNumber)
    ] == []


@pytest.mark.parametrize(
    "call",
    [
        "up --data-dir=",
        "doctor --data-dir=",
        "api --port 8_000",
        "up --workers \u0662",
        "user grant someone@example.com 1_000",
        "user grant someone@example.com 0",
    ],
)
def test_what_is_none_is_refused_before_anything_is_done(call: str) -> None:
    answer = CliRunner().invoke(darkroom, call.split())
    assert answer.exit_code == 2, answer.output
    assert any(why in answer.output for why in ("it is empty", "is no whole number", "N is 0"))

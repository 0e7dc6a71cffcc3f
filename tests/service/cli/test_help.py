"""`--help` of every command is quick because it imports neither drivers nor engines; the version is told once."""

import json
import subprocess
import sys

import pytest

from schema.version import VERSION
from service.cli import group

HEAVY = {
    "asyncio", "asyncpg", "redis", "dramatiq", "litestar", "uvicorn", "obstore", "httpx", "structlog", "numpy", "cv2",
    "openvino", "PIL", "scipy",
}  # fmt: skip

COMMANDS = [
    "", "up", "api", "worker", "migrate", "legacy", "legacy import", "legacy verify", "legacy export", "user",
    "user create", "user list", "user grant", "user key", "user token", "user show", "user suspend", "user resume",
    "user delete", "user link", "edit", "models", "models check", "doctor", "workflow",
    "workflow check", "workflow run", "workflow settings", "webhook", "webhook listen",
]  # fmt: skip

LOOK = """
import json, os, sys
for command in sys.argv[1:]:
    if os.fork():
        os.wait()
        continue
    sys.argv[1:] = [*command.split(), "--help"]
    from service.cli.main import main
    try:
        main()
    except SystemExit as ended:
        print(json.dumps([command, ended.code, sorted(sys.modules)]), flush=True)
    os._exit(0)
"""
"""Each in a process of its own, forked from one that has loaded nothing yet."""


def test_help_imports_no_driver_and_every_command_takes_a_data_directory() -> None:
    done = subprocess.run([sys.executable, "-c", LOOK, *COMMANDS], capture_output=True, text=True, check=True)
    found: dict[str, tuple[int, str, set[str]]] = {}
    said: list[str] = []
    takes_data_dir: set[int] = set()
    cut_off = False
    for line in done.stdout.splitlines():
        if line.startswith('["'):
            command, code, modules = json.loads(line)
            found[command] = code, said[0][:15], HEAVY & set(modules)
            said = []
        else:
            said.append(line)
            if "--data-dir" in line:
                takes_data_dir.add(len(found))
            cut_off |= is_group(COMMANDS[len(found)]) and line.startswith("  ") and line.endswith("...")
    assert not cut_off
    assert [place for place, command in enumerate(COMMANDS) if not is_group(command)] == sorted(takes_data_dir)
    assert found == dict.fromkeys(COMMANDS, (0, "Usage: darkroom", set[str]())), done.stderr


def is_group(command: str) -> bool:
    return not command or any(other.startswith(f"{command} ") for other in COMMANDS)


def test_every_command_is_looked_at() -> None:
    listed = subprocess.run(
        [sys.executable, "-c", "from tests.service.cli.test_help import every_command; print(every_command())"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert listed == str(sorted(COMMANDS))


def every_command() -> list[str]:
    """What click knows, groups and their commands."""
    import click  # noqa: PLC0415 - in a process of its own

    from service.cli.group import darkroom  # noqa: PLC0415

    found = [""]
    context = click.Context(darkroom)
    for name in darkroom.list_commands(context):
        command = darkroom.get_command(context, name)
        found.append(name)
        if isinstance(command, click.Group):
            found += [f"{name} {inner}" for inner in command.list_commands(context)]
    return sorted(found)


@pytest.mark.parametrize("name", ["legacy", "user"])
def test_a_list_of_commands_has_all_of_them(name: str) -> None:
    _, told = group.COMMANDS[name]
    listed = told.partition(": ")[2].rstrip(".").split(", ")
    assert sorted(listed) == sorted(one.removeprefix(f"{name} ") for one in COMMANDS if one.startswith(f"{name} "))


@pytest.mark.parametrize("command", ["edit", "workflow check", "workflow run"])
def test_modes_are_shown_as_the_api_spells_them(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "service.cli.main", *command.split(), "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "HEAD_SWAP|BACKGROUND_CHANGE|POSE_CHANGE" in done.stdout


def test_the_version_is_told() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "service.cli.main", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"darkroom, version {VERSION}\n"

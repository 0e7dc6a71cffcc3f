"""The `darkroom` command: its subcommands, each imported when it is called, and what becomes of their errors.

Nothing here imports the drivers or the engines, so that `--help` is quick.
"""

import re
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from schema.version import VERSION
from service.cli.interrupting import ending_at_once
from service.cli.streams import OutputLostError

COMMANDS = {
    "up": ("service.cli.up", "Serve the whole stack in the foreground."),
    "api": ("service.cli.servers", "Serve the HTTP API."),
    "worker": ("service.cli.servers", "Take tasks from the queue and make the edits."),
    "migrate": ("service.cli.servers", "Bring the database's schema up to date."),
    "legacy": ("service.cli.legacy", "Move the data of the system before this one over: import, verify, export."),
    "user": ("service.cli.user", "Accounts: create, list, grant, key, token, link, show, suspend, resume, delete."),
    "edit": ("service.cli.edit", "Make one edit on local files, without servers."),
    "models": ("service.cli.models", "Models of your own: whether a file can be one."),
    "workflow": ("service.cli.workflow", "Workflows of ComfyUI and RunningHub: check one, try one, settings."),
    "webhook": ("service.cli.webhook", "A receiver to try webhooks with."),
    "doctor": ("service.cli.doctor", "Check everything, and say what to do about what is wrong."),
}

INTERRUPTED = 130
"""What shells say of a command that Ctrl-C stopped."""


class Interrupted(Exception):  # noqa: N818 - a wish, not a fault
    """Ctrl-C. Raised inside of click, which would make something else of a KeyboardInterrupt."""


class Group(click.Group):
    """Lists its commands with a whole sentence each; click cuts it off where the line ends."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, command.get_short_help_str(1000)) for name, command in sorted(self.commands.items())]
            )


class LazyGroup(Group):
    """Knows its commands' names and one-line helps without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        with ending_at_once():
            return getattr(import_module(COMMANDS[cmd_name][0]), cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted("stopped") from None


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION)
def darkroom() -> None:
    """Darkroom edits photos of people as asynchronous tasks. Every command has --help."""


def run() -> int:
    """The exit code: 0 when it worked, 1 when it failed, 2 when it was called wrongly; an error is a line on stderr."""
    try:
        answer = darkroom(prog_name="darkroom", standalone_mode=False)
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        # Named, or click would write UTF-8 where a terminal spells ASCII alone.
        error.show(file=sys.stderr)
        return 2
    except click.UsageError as error:
        click.echo(_misused(error), file=sys.stderr)
        return 2
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the outermost edge: whatever it is becomes a line
        message, code = _explained(error)
        click.echo(f"darkroom: {message}", file=sys.stderr)
        return code
    # `--help` and its like answer their exit code.
    return answer if isinstance(answer, int) else 0


def _misused(error: click.UsageError) -> str:
    """One line, where click says four: the command, what was wrong, and who tells more."""
    command = _named(sys.argv[1:]) if error.ctx is None else error.ctx.command_path
    wrong = re.sub(r"\s*\n\s*", " ", error.format_message()).rstrip(".")
    return f"{command}: {wrong}; see `{command} --help`"


def _named(arguments: Sequence[str]) -> str:
    """The command that the arguments name; click forgets it where an option lacks its value, or has one too many."""
    command: click.Command | None = darkroom
    path = ["darkroom"]
    for argument in arguments:
        command = command.get_command(click.Context(command), argument) if isinstance(command, click.Group) else None
        if command is None:
            break
        path.append(argument)
    return " ".join(path)


def _explained(error: Exception | KeyboardInterrupt) -> tuple[str, int]:
    """The line and the exit code."""
    match error:
        case click.ClickException():
            return error.format_message(), 1
        case KeyboardInterrupt() | Interrupted():
            return str(error) or "stopped", INTERRUPTED
        case click.Abort():
            # A prompt says the same of Ctrl-C and of "no".
            return "stopped", INTERRUPTED if isinstance(error.__context__, KeyboardInterrupt) else 1
        case OutputLostError():
            return str(error), 1
        case _:
            # It knows the drivers' errors, and so imports the drivers.
            from service.cli.errors import explain

            return explain(error), 1

"""The `darkroom` command. Each subcommand is imported when it is called, so that `--help` is quick."""

import sys
from importlib import import_module

import click

from service.cli.errors import explain

COMMANDS = {
    "up": ("service.cli.up", "Serve the whole stack in the foreground."),
    "api": ("service.cli.servers", "Serve the HTTP API."),
    "worker": ("service.cli.servers", "Take tasks from the queue and make the edits."),
    "migrate": ("service.cli.servers", "Bring the database's schema up to date."),
    "legacy": ("service.cli.legacy", "Move the data of the system before this one over: import, verify."),
    "user": ("service.cli.user", "Accounts: create, grant, key, token, show, delete."),
    "edit": ("service.cli.edit", "Make one edit on local files, without servers."),
    "doctor": ("service.cli.doctor", "Check everything, and say what to do about what is wrong."),
}


class LazyGroup(click.Group):
    """Knows its commands' names and one-line helps without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        return getattr(import_module(COMMANDS[cmd_name][0]), cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="darkroom")
def darkroom() -> None:
    """Darkroom edits photos of people as asynchronous tasks. Every command has --help."""


def main() -> None:
    """Exit 0 when it worked, 1 when it failed, 2 when it was called wrongly; an error is one line on stderr."""
    try:
        darkroom(prog_name="darkroom", standalone_mode=False)
    except click.UsageError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        _fail(error.format_message())
    except (click.Abort, KeyboardInterrupt):
        _fail("stopped")
    except Exception as error:  # noqa: BLE001 - the outermost edge: whatever it is becomes a line
        _fail(explain(error))


def _fail(message: str) -> None:
    click.echo(f"darkroom: {message}", err=True)
    sys.exit(1)


if __name__ == "__main__":
    main()

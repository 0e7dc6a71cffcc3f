"""`darkroom up` with its own command line, whose children are those of darkroom.py."""

import sys
from functools import partial
from unittest.mock import patch

from service.cli.up import up
from service.up.commands import Commands
from service.up.stack import Plan

if __name__ == "__main__":
    commands = Commands(program=(sys.executable, "-m", "tests.chaos.darkroom"))
    with patch("service.up.stack.Plan", partial(Plan, commands=commands)):
        up()

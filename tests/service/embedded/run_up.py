"""`darkroom up` with its own command line, and the stand-in of fake_service.py for the commands it runs."""

import sys
from functools import partial
from pathlib import Path
from unittest.mock import patch

from service.cli.up import up
from service.up.commands import Commands
from service.up.stack import Plan

if __name__ == "__main__":
    fake = Commands(program=(sys.executable, str(Path(__file__).with_name("fake_service.py"))))
    with patch("service.up.stack.Plan", partial(Plan, commands=fake)):
        up()

"""A worker process whose edits are made elsewhere, and whose photos are handed on as they are."""

import sys

from actors import staff
from service.cli.main import main
from tests.fakes.desk import CopyingDesk

REMOTE = "from tests.chaos.remote import work; work()"
"""The program of such a worker."""


def work() -> None:
    """In the worker's process: `darkroom worker`."""
    staff.Desk = CopyingDesk
    sys.argv[1:] = ["worker"]
    main()

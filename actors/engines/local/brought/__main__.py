"""Load a model and run it once: `python -m actors.engines.local.brought KIND FILE`; 1 and one line if that fails."""

import sys
from pathlib import Path

from actors.engines.local.brought.choice import Kind, UnusableModelError
from actors.engines.local.brought.contract import weights_in
from actors.engines.local.brought.running import tried
from actors.engines.local.runtimes import Runtimes

if __name__ == "__main__":
    try:
        tried(weights_in(Path(sys.argv[2]), Kind(sys.argv[1])), Runtimes(2))
    except UnusableModelError as error:
        print(error, file=sys.stderr)  # noqa: T201 - what it is run for
        sys.exit(1)

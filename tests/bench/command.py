"""The command line of a benchmark."""

import argparse
from collections.abc import Callable


def command(run: Callable[..., None], told: str | None, **numbers: int) -> None:
    """Run it with such numbers as are asked, in their order; `--help` says what is measured, and which there are."""
    parser = argparse.ArgumentParser(description=told, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, otherwise in numbers.items():
        parser.add_argument(name, nargs="?", type=int, default=otherwise, help=f"{otherwise:,} if nothing is said")
    asked = parser.parse_args()
    run(*(getattr(asked, name) for name in numbers))

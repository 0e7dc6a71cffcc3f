"""`make bench`: everything that is measured, one table after another."""

import subprocess
import sys

from tests.bench import api, batches, claims, downloads, edits, legacy, life, lists, slots, streams
from tests.bench.command import command


def run() -> None:
    for part in (api, downloads, batches, lists, claims, life, streams, edits, slots, legacy):
        print(f"\n== {(part.__doc__ or '').splitlines()[0]}", flush=True)
        # Each in a process of its own, as when it is run alone: what one has held in memory, the kernel counts among
        # the most that the next one's children ever had.
        subprocess.run([sys.executable, "-m", part.__name__], check=True)


if __name__ == "__main__":
    command(run, __doc__)

"""`make bench`: everything that is measured, one table after another."""

from tests.bench import api, batches, claims, downloads, edits, legacy, life, lists, slots, streams
from tests.bench.command import command


def run() -> None:
    for part in (api, downloads, batches, lists, claims, life, streams, edits, slots, legacy):
        print(f"\n== {(part.__doc__ or '').splitlines()[0]}")
        part.run()


if __name__ == "__main__":
    command(run, __doc__)

"""`make bench`: everything that is measured, one table after another."""

from tests.bench import api, edits, legacy, life

if __name__ == "__main__":
    for part in (api, life, edits, legacy):
        print(f"\n== {(part.__doc__ or '').splitlines()[0]}")
        part.run()

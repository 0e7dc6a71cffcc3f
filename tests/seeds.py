"""How much of what is made up at random a run looks at: a part that is new every day, or all of it.

THOROUGH=1 asks for all: every hostile image in every edit, many more lives. SEED=n makes those of another day again;
a run's first lines tell its own.
"""

import os
from datetime import UTC, datetime

THOROUGH = os.environ.get("THOROUGH", "") not in {"", "0"}

SEED = int(os.environ.setdefault("SEED", str(datetime.now(UTC).date().toordinal())))
"""Set for the processes that this one starts, so that midnight parts nobody."""


def told() -> str:
    """The line that lets anybody make this run's pictures and lives again."""
    return f"made up from SEED={SEED}" + (", all of it" if THOROUGH else ", a part of it (THOROUGH=1 makes all)")

"""Who does the work: Dramatiq actors, the engines, the sweep. Nobody imports this but the command line.

`dramatiq actors:broker` works too: the broker is made when it is first asked for.
"""

import os
from typing import Any


def __getattr__(name: str) -> Any:
    if name != "broker":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from actors.worker import make_broker  # noqa: PLC0415 - engines live below this package and need no broker
    from service.settings import load_settings  # noqa: PLC0415

    globals()["broker"] = made = make_broker(load_settings(os.environ))
    return made

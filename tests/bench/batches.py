"""Tasks per second in batches of 100, beside single creates: `python -m tests.bench.batches`. Told is the ratio."""

import asyncio
import os
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from service.settings import Settings
from tests.bench.api import Caller, creates, empty, make_callers
from tests.bench.command import command
from tests.bench.load import load, request
from tests.bench.place import own_servers
from tests.running import running_api

ROUNDS = 3
SECONDS = 3.0
CALLERS = 4
TOGETHER = 100

AS_DEPLOYED = {"RATE_LIMIT_PER_MINUTE": "10000000", "MAX_PENDING_PER_USER": "1000000", "LOG_FORMAT": "json"}


def batches(callers: list[Caller]) -> list[bytes]:
    """One request a user, each with the same edits as a hundred single ones."""
    return [
        request(
            "POST",
            "/api/v1/tasks/batch",
            {"Content-Type": "application/json", "Authorization": f"Bearer {caller.api_key}"},
            msgspec.json.encode(
                {"tasks": [{"mode": "BACKGROUND_CHANGE", "source_image": caller.file_id, "config": {}}] * TOGETHER}
            ),
        )
        for caller in callers
    ]


async def compare(settings: Settings, port: int, callers: list[Caller]) -> None:
    ratios: list[float] = []
    for _ in range(ROUNDS):
        await empty(settings)
        alone = await load(port, creates(callers, bare=False), callers=CALLERS, seconds=SECONDS, expected=201)
        await empty(settings)
        together = await load(port, batches(callers), callers=CALLERS, seconds=SECONDS, expected=201)
        in_batches = together.per_second * TOGETHER
        ratios.append(in_batches / alone.per_second)
        print(f"alone {alone.per_second:7.0f} tasks/s   in batches {in_batches:7.0f} tasks/s   {ratios[-1]:5.2f}")
    print(f"ratio {sorted(ratios)[ROUNDS // 2]:5.2f}", flush=True)


def run() -> None:
    with own_servers() as (settings, _), running_api(settings, AS_DEPLOYED, log=Path(os.devnull)) as base_url:
        # Once the API has made its storage: an empty one beside rows of files it would refuse.
        callers = asyncio.run(make_callers(settings))
        asyncio.run(compare(settings, urlsplit(base_url).port or 0, callers))


if __name__ == "__main__":
    command(run, __doc__)

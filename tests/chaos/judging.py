"""After the storm: what the customers were told beside what there is, and what the log says."""

import asyncio
import io
import json
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import httpx
from PIL import Image

from service.database import Connection
from tests.chaos.customers import JSON, Customer, end_of
from tests.chaos.darkroom import NOBODY

CREDITS = 1_000_000
"""What every customer begins with."""

EXPECTED = "Consumer encountered a connection error"
"""Dramatiq's word for Redis being away: an error to it, and the weather to us."""


async def judge(customer: Customer, tasks: dict[str, JSON]) -> list[str]:
    """Compare what a customer was told with what there is."""
    wrong = [f"lost: {task_id}" for task_id in customer.told.keys() - tasks.keys()]
    wrong += [f"nobody was told of it: {task_id}" for task_id in tasks.keys() - customer.told.keys()]
    for task_id in customer.told.keys() & tasks.keys():
        task, told = tasks[task_id], customer.told[task_id]
        if told.end != end_of(task):
            wrong.append(f"{task_id} was told to have ended as {told.end}, and is {end_of(task)}")
        if told.cancelled and task["status"] != "cancelled":
            wrong.append(f"{task_id} was told to be cancelled, and is {task['status']}")
        if told.fate == NOBODY and task["status"] == "done":
            wrong.append(f"{task_id} is done, although nobody is in its photo")
        if task["error"] and task["error"]["code"] == "PROCESSING_FAILED":
            wrong.append(f"{task_id} failed for no reason of its own: {task['error']}")
        if task["status"] == "done":
            wrong += [f"{task_id}: {what}" for what in await pictures(customer, task)]
    spent = sum(task["credits_consumed"] - task["credits_refunded"] for task in tasks.values())
    if (left := (await customer.me())["current_credits"]) != CREDITS - spent:
        wrong.append(f"{customer.user_id} has {left} credits of {CREDITS} after spending {spent}")
    return wrong


async def pictures(customer: Customer, task: JSON) -> list[str]:
    """Whatever is wrong with the pictures of a task that is done: the fake engine gives the photo back as each."""
    wrong: list[str] = []
    for name in ("output_image", "thumbnail", "comparison_image"):
        try:
            content = await customer.load(task["result"][name])
        except httpx.HTTPError as error:
            wrong.append(f"{name} doesn't load: {error}")
            continue
        await asyncio.to_thread(Image.open(io.BytesIO(content)).load)
        if content != customer.photo:
            wrong.append(f"{name} is another picture")
    return wrong


async def unpaid(connection: Connection, customers: list[Customer]) -> list[str]:
    """Charges in the ledger beside the tasks that were asked for: one each."""
    charged = Counter[str](
        record["task_id"]
        for record in await connection.fetch("SELECT task_id FROM credit_ledger WHERE kind = 'charge'")
    )
    asked = Counter(task_id for customer in customers for task_id in customer.told)
    return [
        f"charged {charged[one]} times, asked for {asked[one]} times: {one}"
        for one in charged | asked
        if charged[one] != asked[one]
    ]


def left_behind(temporary: Path) -> list[str]:
    """Customers' photos in temporary files, when nobody works on any."""
    return [f"left behind: {path}" for path in temporary.rglob("*") if path.is_file()]


def defects(log: Path) -> list[str]:
    """What the processes themselves held for impossible: errors with a traceback in their log."""
    found: Counter[str] = Counter()
    for line in log.read_text("utf-8", "replace").splitlines():
        if line.startswith("Traceback"):
            found[line] += 1
        with suppress(ValueError):
            entry: object = json.loads(line)
            if isinstance(entry, dict):
                said = cast("dict[str, Any]", entry)
                expected = str(said.get("event")).startswith(EXPECTED)
                if said.get("level") in {"error", "critical"} and not expected:
                    found[f"{said.get('event')}: {str(said.get('exception', ''))[-1500:]}"] += 1
    return [f"{times} times in the log: {what}" for what, times in found.items()]

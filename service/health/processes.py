"""The processes: whether the API is there, and whether everybody's files are in one storage."""

import asyncio
import platform

from service.database import Connection
from service.health.findings import Finding, ok, unknown, wrong
from service.presence import ProcessRecord, recent_processes

ANSWERS_WITHIN = 3.0
_ANYWHERE = {"0.0.0.0": "127.0.0.1", "[::]": "::1"}  # noqa: S104 - compared with, not bound to
_ASK = b"GET /livez HTTP/1.0\r\nHost: localhost\r\n\r\n"


async def api(connection: Connection) -> Finding:
    """Whether a process that signed in as the API still says so, and answers if it is on this machine."""
    seen = [process for process in await recent_processes(connection) if process.kind == "api"]
    if not seen:
        return unknown("api", "none has been seen for 15 minutes")
    living = [process for process in seen if process.living]
    silent = [each for each in seen if not each.living and not _refused_and_succeeded(each, seen)]
    killed = [
        each for each in silent if living and each.address and _is_here(each) and await _nobody_listens(each.address)
    ]
    if hanging := [each for each in silent if each not in killed]:
        one = hanging[0]
        return wrong(
            "api",
            f"{_named(one)} has said nothing for {one.silent_seconds:.0f} s: it hangs or was killed",
            "Read its log and start it again." if living else "Read its log and start it again: darkroom api.",
        )
    for process in living:
        if process.address and _is_here(process) and not await _answers(process.address):
            return wrong("api", f"{_named(process)} doesn't answer", "Read its log and start it again.")
    # A successor at another address doesn't know whose it is: that the others answer is what counts.
    ended = "".join(f"; {_named(each)} was killed {each.silent_seconds:.0f} s ago" for each in killed)
    return ok("api", f"{len(living)} answering{ended}")


async def models(connection: Connection, lack: str | None) -> Finding:
    """`lack` is the first model that this machine doesn't have, where a worker may never be meant to run."""
    if lack is None:
        return ok("models", "all here")
    nodes = {process.node for process in await recent_processes(connection) if process.kind == "worker"}
    if nodes and platform.node() not in nodes:
        return unknown("models", "not all on this machine, where no worker was seen; where they run, run the doctor")
    what, _, remedy = lack.partition(": ")
    return wrong("models", what, f"{remedy[:1].upper()}{remedy[1:]}")


async def shared_storage(connection: Connection) -> Finding:
    """Files that one process keeps are of use to the others only if all mean the same storage."""
    seen = await recent_processes(connection)
    elsewhere = [each for each in seen if each.storage_mark is None and not _refused_and_succeeded(each, seen)]
    if not elsewhere:
        return ok("shared storage", "every process that was seen uses the one with the files")
    names = ", ".join(f"{_named(process)} uses {process.storage}" for process in elsewhere[:5])
    return wrong(
        "shared storage",
        f"{names}: that isn't the storage that this database's files are in",
        "Give every process the same STORAGE_URL: one directory that all of them mount, or S3.",
    )


def _refused_and_succeeded(process: ProcessRecord, seen: list[ProcessRecord]) -> bool:
    """Whether it was refused for its storage, and another of its kind works in its place by now."""
    return (process.living, process.storage_mark) == (False, None) and any(
        other.living and other.storage_mark is not None and (other.kind, other.node) == (process.kind, process.node)
        for other in seen
    )


def _named(process: ProcessRecord) -> str:
    what = "the API" if process.kind == "api" else "a worker"
    return f"{what} on {process.node}" + (f" ({process.address})" if process.address else "")


def _is_here(process: ProcessRecord) -> bool:
    return process.node == platform.node()


async def _connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = address.rpartition(":")
    return await asyncio.open_connection(_ANYWHERE.get(host, host.strip("[]")), int(port))


async def _nobody_listens(address: str) -> bool:
    """Whether who did is over. The kernel accepts for one that hangs."""
    try:
        async with asyncio.timeout(ANSWERS_WITHIN):
            _, writer = await _connect(address)
    except ConnectionRefusedError:
        return True
    except (OSError, TimeoutError):
        return False
    writer.close()
    return False


async def _answers(address: str) -> bool:
    try:
        async with asyncio.timeout(ANSWERS_WITHIN):
            reader, writer = await _connect(address)
            try:
                writer.write(_ASK)
                return b" 200 " in await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False

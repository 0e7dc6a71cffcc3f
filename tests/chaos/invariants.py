"""What always holds, of any database and the directory of its files, whatever was killed meanwhile.

`darkroom doctor` looks at the ledger and at refunds with the same statements; it is for operators, whose rows may be
older than this version, and so asks for less.
"""

import asyncio
from pathlib import Path

from service.accounts.store import unbalanced_users
from service.database import Connection
from service.files.mark import PREFIX
from service.health import money

MANY = 1000

RUNNING_BALANCES = """
    SELECT entry_id::text
      FROM (SELECT entry_id, balance_after, sum(amount) OVER (PARTITION BY user_id ORDER BY entry_id) AS so_far
              FROM credit_ledger WHERE user_id IS NOT NULL) AS entries
     WHERE balance_after <> so_far"""

RULES = {
    "balance below zero": "SELECT user_id FROM users WHERE current_credits < 0",
    "ledger entry whose balance isn't the sum up to it": RUNNING_BALANCES,
    "task not charged exactly once, with its price, here or where it came from": """
        SELECT task_id
          FROM tasks LEFT JOIN credit_ledger AS entry USING (task_id)
         GROUP BY tasks.task_id
        HAVING count(*) FILTER (WHERE kind = 'charge') <> (legacy_fingerprint IS NULL)::integer
            OR sum(amount) FILTER (WHERE kind = 'charge') <> -credits_consumed""",
    "task refunded without having failed or been cancelled here, or the other way round": """
        SELECT task_id
          FROM tasks LEFT JOIN credit_ledger AS entry USING (task_id)
         GROUP BY tasks.task_id
        HAVING count(*) FILTER (WHERE kind = 'refund')
               <> (status IN ('failed', 'cancelled') AND credits_consumed > 0
                   AND (legacy_fingerprint IS NULL OR taken_over_at IS NOT NULL))::integer
            OR sum(amount) FILTER (WHERE kind = 'refund') <> credits_refunded
            OR credits_refunded <> credits_consumed * (status IN ('failed', 'cancelled'))::integer""",
    "task, deleted or not, with more than one charge and one refund of it": """
        SELECT task_id
          FROM credit_ledger
         WHERE task_id IS NOT NULL
         GROUP BY task_id
        HAVING count(*) FILTER (WHERE kind = 'refund') > 1
            OR (task_id NOT IN (SELECT task_id FROM tasks WHERE legacy_fingerprint IS NOT NULL
                                 UNION ALL SELECT record_id FROM legacy_tombstones WHERE kind = 'task')
                AND (count(*) FILTER (WHERE kind = 'charge') <> 1 OR sum(amount) NOT IN (0, min(amount))))""",
    "status and end time that don't fit": """
        SELECT task_id
          FROM tasks
         WHERE (status = 'done') <> (completed_at IS NOT NULL)
            OR (status = 'failed') <> (failed_at IS NOT NULL)
            OR (status = 'cancelled') <> (cancelled_at IS NOT NULL)""",
    "outcome that doesn't fit the status": """
        SELECT task_id
          FROM tasks
         WHERE (legacy_fingerprint IS NULL OR taken_over_at IS NOT NULL)
           AND ((status = 'done') <> (result IS NOT NULL)
                OR (status = 'failed') <> (error IS NOT NULL)
                OR (status = 'done' AND progress <> 100))""",
    "lease without processing here, or the other way round": """
        SELECT task_id
          FROM tasks
         WHERE (status = 'processing' AND NOT elsewhere) <> (lease_expires_at IS NOT NULL)""",
    "work of ours on what the system before this one has": """
        SELECT task_id
          FROM tasks
         WHERE elsewhere AND (status NOT IN ('pending', 'processing') OR legacy_fingerprint IS NULL
                              OR dispatched_at IS NOT NULL OR lease_token > 0 OR worker_id IS NOT NULL)""",
    "worker or start that a waiting task remembers, or that a running one lacks": """
        SELECT task_id
          FROM tasks
         WHERE NOT elsewhere
           AND ((status = 'pending' AND (started_at IS NOT NULL OR worker_id IS NOT NULL OR progress <> 0))
                OR (status = 'processing' AND (started_at IS NULL OR worker_id IS NULL OR attempts = 0)))""",
    "attempts beyond the most there may be": "SELECT task_id FROM tasks WHERE attempts > $1",
    "more attempts than claims": "SELECT task_id FROM tasks WHERE attempts > lease_token",
    "result file without a row": """
        SELECT task_id || ' ' || named.file_id
          FROM tasks
         CROSS JOIN LATERAL (VALUES (result ->> 'output_file_id'), (result ->> 'thumbnail_file_id'),
                                    (result ->> 'comparison_file_id')) AS named (file_id)
         WHERE named.file_id IS NOT NULL
           AND NOT EXISTS (SELECT FROM files WHERE files.file_id = named.file_id
                              AND files.task_id = tasks.task_id
                              AND files.user_id IS NOT DISTINCT FROM tasks.user_id)""",
    "result file that its task doesn't name": """
        SELECT file_id
          FROM files JOIN tasks USING (task_id)
         WHERE result IS NULL
            OR file_id NOT IN (coalesce(result ->> 'output_file_id', ''), coalesce(result ->> 'thumbnail_file_id', ''),
                               coalesce(result ->> 'comparison_file_id', ''))""",
    "idempotency key of a task that nobody was charged for": """
        SELECT key FROM idempotency_keys AS kept
         WHERE NOT EXISTS (SELECT FROM credit_ledger AS entry
                            WHERE entry.task_id = kept.task_id AND entry.user_id = kept.user_id AND kind = 'charge')""",
}
"""What must not be: a sentence, and the statement that finds it. `$1` is the most attempts."""

ALL = " UNION ALL ".join(
    f"SELECT {number} AS number, who FROM ({statement}) AS rule{number} (who)"  # noqa: S608 - constants from above
    for number, statement in enumerate(RULES.values())
)

PROBES = "_probe/"
"""Where the storage tries whether it can be written; a process killed at that moment leaves some bytes there."""


async def broken(connection: Connection, directory: Path | None = None, *, max_attempts: int = 3) -> list[str]:
    """A sentence for each thing that isn't as it always must be, in one snapshot; none when all is well.

    With the storage's `directory` its blobs are compared with the rows, both ways: only for a moment when nobody
    writes, since a blob is written before its row.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        sentences = list(RULES)
        found = [f"{sentences[row['number']]}: {row['who']}" for row in await connection.fetch(ALL, max_attempts)]
        found += [
            f"balance {user.current_credits} with a ledger of {user.ledger}: {user.user_id}"
            for user in await unbalanced_users(connection, MANY)
        ]
        unrefunded = await money.QUERIES["unrefunded_tasks"].column(connection, limit=MANY)
        found += [f"ended and not refunded in full: {task_id}" for task_id in unrefunded]
        if directory is not None:
            found += await _blobs(connection, directory)
    return found


async def _blobs(connection: Connection, directory: Path) -> list[str]:
    files = {record["blob_key"] for record in await connection.fetch("SELECT blob_key FROM files")}
    noted = {record["blob_key"] for record in await connection.fetch("SELECT blob_key FROM blob_removals")}
    stored = await asyncio.to_thread(blobs_in, directory)
    return [f"file without its blob: {key}" for key in sorted(files - stored)] + [
        f"blob without a file, and nobody will remove it: {key}" for key in sorted(stored - files - noted)
    ]


def blobs_in(directory: Path) -> set[str]:
    """The keys of what a storage's directory holds."""
    found = (path for path in directory.rglob("*") if path.is_file() and not path.name.startswith(PREFIX))
    keys = {path.relative_to(directory).as_posix() for path in found}
    return {key for key in keys if not key.startswith(PROBES)}

"""Money: every balance is the sum of its ledger, and every task says what the ledger says."""

from service.accounts.store import unbalanced_users
from service.database import Connection
from service.database.statements import load_queries
from service.health.findings import SHOWN, Finding, named

QUERIES = load_queries("doctor")


async def ledger(connection: Connection) -> Finding:
    return named(
        "ledger",
        [user.user_id for user in await unbalanced_users(connection, SHOWN)],
        none="every balance is the sum of its ledger",
        some="users whose balance isn't the sum of their ledger",
        # A balance that differs from its last line's is taken by the trigger for one more change.
        remedy="Something changed the ledger, or balances with the triggers off. In one transaction, set each "
        "balance, and balance_after of the last of its lines in credit_ledger, to their sum.",
    )


async def charges(connection: Connection) -> Finding:
    return named(
        "charges",
        await QUERIES["miscounted_tasks"].column(connection, limit=SHOWN),
        none="every task says what the ledger says",
        some="tasks whose ledger entries differ from what they say they took or gave back",
        remedy="Something changed tasks or the ledger directly. Set each task's credits_consumed and credits_refunded "
        "to what its lines in credit_ledger took and gave back.",
    )


async def refunds(connection: Connection) -> Finding:
    return named(
        "refunds",
        await QUERIES["unrefunded_tasks"].column(connection, limit=SHOWN),
        none="every failed or cancelled task was refunded",
        some="failed or cancelled tasks that were not refunded in full",
        # A grant would pay, but nobody could tell then that it was for these.
        remedy="Something changed tasks directly. In one transaction: raise the user's current_credits, write the line "
        "of kind refund into credit_ledger, and set the task's credits_refunded.",
    )

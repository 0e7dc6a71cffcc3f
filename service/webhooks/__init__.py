"""Webhooks: who is told of an end, and the delivery of it, at least once.

A delivery is a row of `webhook_deliveries`, written in the transaction that ended what it tells of. For tasks a trigger
does that (`schema/tables/0032_webhooks.sql`). Whoever ends something else calls, in its own transaction,

    tell_webhook_v1(whose, event, kind, receiver, of_task, of_batch, at)

with the user's id, the event's id (it is the `webhook-id`, and the same wherever the event is told), the type
(`batch.done`), the URL, the task's or the batch's id (one of them is null), and the time of the end. Told twice of the
same task or batch it writes once. What the body says is read when it is delivered (`contents.py`).
"""

"""Redis, as everybody but Dramatiq's consumers sees it."""

import pytest

from actors.broker import WakingBroker
from schema.messages import ACTORS, DELIVERIES, EDITS, encode_message, message_id
from schema.models.tasks import TaskStatus
from service.queue import NOBODY, REDIS_AWAY, Queue
from tests import lives
from tests.keys import EDIT_KEYS, KEYS
from tests.running import nobodys_port

NEXT = [(f"task_{n}", n) for n in range(5)]


async def test_messages_keep_their_order(queue: Queue) -> None:
    await queue.send(NEXT)
    assert await lives.messages(queue) == [message_id(*each) for each in NEXT]
    assert await queue.length() == len(NEXT)


async def test_what_is_there_is_not_sent_twice_and_what_is_new_is(queue: Queue) -> None:
    await queue.send(NEXT[:3])
    await queue.send(NEXT)
    assert await lives.messages(queue) == [message_id(*each) for each in NEXT]


async def test_nothing_to_send_or_to_withdraw(queue: Queue) -> None:
    await queue.send([])
    assert await queue.withdraw([]) == 0
    assert await queue.length() == 0


async def test_withdrawing_leaves_nothing_of_a_message(queue: Queue) -> None:
    await queue.send(NEXT)
    assert await queue.withdraw([NEXT[1], NEXT[3], ("task_unknown", 0), ("task_0", 7)]) == 2
    assert await lives.messages(queue) == [message_id(*NEXT[n]) for n in (0, 2, 4)]


async def test_a_dramatiq_consumer_reads_what_the_queue_sends(queue: Queue, redis_url: str) -> None:
    """What is taken and acknowledged leaves nothing but the sign that a worker lives."""
    await queue.send(NEXT[:1])
    broker = WakingBroker(url=redis_url, middleware=[])
    broker.open(KEYS)
    consumer = broker.consume(EDITS, prefetch=1)
    message = next(consumer)
    assert message is not None
    assert (message.actor_name, message.args, message.message_id) == ("edit", ("task_0",), message_id(*NEXT[0]))
    assert await queue.missing(NEXT[:1]) == []
    assert await queue.withdraw(NEXT[:1]) == 0
    consumer.ack(message)
    assert await queue.missing(NEXT[:2]) == NEXT[:2]
    left = {key.decode() for key in await queue.redis.keys("*")}  # pyright: ignore[reportUnknownVariableType, reportAttributeAccessIssue]
    assert left == {EDIT_KEYS.workers}
    broker.close()


async def test_missing_tells_those_that_redis_does_not_have(queue: Queue) -> None:
    await queue.send(NEXT[::2])
    assert await queue.missing(NEXT) == NEXT[1::2]


async def test_a_change_is_told(queue: Queue) -> None:
    async with lives.listening(queue, KEYS.changed) as told:
        await queue.tell_changed("task_1", TaskStatus.DONE)
        assert await told() == "task_1 done"


async def test_a_redis_that_is_away_raises_what_everybody_expects() -> None:
    queue = Queue(f"redis://127.0.0.1:{nobodys_port()}/0", KEYS)
    tell = queue.tell_changed("task", TaskStatus.DONE)
    for call in (queue.ping(), queue.send(NEXT), queue.withdraw(NEXT), queue.missing(NEXT), tell):
        with pytest.raises(REDIS_AWAY):
            await call
    await queue.close()


def test_a_message_is_named_after_its_task_and_its_number() -> None:
    identity, body = encode_message(KEYS, "task_1", 4)
    assert identity == "task_1.4"
    assert b'"redis_message_id":"task_1.4"' in body


async def test_a_key_of_any_queue_that_holds_something_else_is_found(queue: Queue) -> None:
    """Only what is needed to send keeps a send from succeeding."""
    for name in ACTORS:
        keys = KEYS.queue(name)
        for key in (keys.waiting, keys.messages, keys.workers, keys.held_by + NOBODY, keys.refused):
            await queue.redis.set(key, "something else")
            with pytest.raises(REDIS_AWAY, match="WRONGTYPE"):
                await queue.try_to_work()
            if key in {keys.waiting, keys.messages}:
                with pytest.raises(REDIS_AWAY, match="WRONGTYPE"):
                    await queue.try_to_send()
            else:
                await queue.try_to_send()
            await queue.redis.delete(key)
    await queue.try_to_work()
    assert await queue.redis.keys("*") == []  # pyright: ignore[reportUnknownMemberType, reportAttributeAccessIssue]


async def test_one_queue_that_can_not_be_taken_from_is_told_until_it_can(queue: Queue, redis_url: str) -> None:
    """The other queue's messages, which can be taken, don't make up for it."""
    broker = WakingBroker(url=redis_url, middleware=[], idle_look=0.001)
    broker.open(KEYS)
    edits, deliveries = (broker.consume(name) for name in (EDITS, DELIVERIES))
    waiting = KEYS.queue(DELIVERIES).waiting
    await queue.redis.set(waiting, "something else")
    for consumer in (deliveries, edits):
        assert next(consumer) is None
    assert "something else" in (broker.hindrance or "")
    await queue.redis.delete(waiting)
    assert next(deliveries) is None
    assert broker.hindrance is None
    broker.close()

"""Webhooks that are due, those that may be forgotten, and secrets that an older key sealed."""

from actors.maintenance.ground import Ground
from service.webhooks.announcing import announce_due, sweep
from service.webhooks.secrets import reseal


async def announce(ground: Ground) -> None:
    """Send a message for each that is due."""
    await announce_due(ground.pool, ground.queue, limit=ground.batch)


async def forget(ground: Ground) -> None:
    """Forget those whose events are forgotten, and pings after a week."""
    await sweep(ground.pool, limit=ground.batch)


async def reseal_secrets(ground: Ground) -> None:
    """Seal anew what the first key in SECRET_KEY didn't seal."""
    await reseal(ground.pool, ground.seal, limit=ground.batch)

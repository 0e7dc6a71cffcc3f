"""Browsers' sessions and one-time links that are over."""

from actors.maintenance.ground import Ground
from service.accounts.sessions import sweep_sessions


async def forget(ground: Ground) -> None:
    """Forget them; nobody is let in with them as it is."""
    await sweep_sessions(ground.pool, limit=ground.batch)

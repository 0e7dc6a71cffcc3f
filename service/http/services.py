"""What requests are served with: connections and services, opened once per process."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import Struct

from schema.models.edits import available_modes
from service.accounts.authentication import Authenticator
from service.accounts.sessions import Sessions
from service.connections import Connections, open_connections
from service.database import Pool
from service.event_urls import EventUrls
from service.files.service import FileService
from service.files.urls import FileUrls
from service.health.readiness import HealthWatch
from service.http.browsers import Browsers
from service.http.gate import Gate
from service.http.limits import RateLimiter
from service.legacy.readthrough import LegacyReader
from service.operating.metrics import Metrics
from service.operating.watch import Watch, looks_of
from service.presenting import Presenter
from service.settings import Settings
from service.tasks.batches import Batches
from service.tasks.deadlines import Deadlines
from service.tasks.dispatch import Dispatcher
from service.tasks.line import Line
from service.tasks.service import TaskService
from service.tasks.streaming import Streams
from service.tasks.submission import Rules
from service.tasks.watching import News, Waiters
from service.webhooks.secrets import Seal
from service.webhooks.service import WebhookService
from service.workspaces import own_directory


class Services(Struct, frozen=True):
    """Everything a request may need, made once per process. A handler asks for all of it by one name: `services`."""

    health: HealthWatch
    pool: Pool
    urls: FileUrls
    gate: Gate
    browsers: Browsers
    sessions: Sessions
    files: FileService
    present: Presenter
    tasks: TaskService
    webhooks: WebhookService
    batches: Batches
    deadlines: Deadlines
    line: Line
    waiters: Waiters
    streams: Streams
    event_urls: EventUrls
    watch: Watch
    metrics: Metrics


@asynccontextmanager
async def open_services(settings: Settings, address: str | None = None) -> AsyncGenerator[Services]:
    """Connect to everything, and close it again; `address` is where this process listens.

    Raises:
        SchemaError: The database's schema is older or newer than this version.
        NotConnected: The database or the storage can't be used.
        SettingsError: No temporary directory can be written to.
    """
    with own_directory() as uploads:
        async with (
            open_connections(settings, "api", least=2, address=address) as connections,
            _serving(settings, connections, uploads) as services,
        ):
            yield services


@asynccontextmanager
async def _serving(settings: Settings, connections: Connections, uploads: Path) -> AsyncGenerator[Services]:
    pool, queue, storage = connections.pool, connections.queue, connections.storage
    urls = FileUrls(settings.require_secret(), settings.public_url, storage)
    dispatcher = Dispatcher(pool, queue)
    event_urls = EventUrls(settings.require_secret(), settings.public_url)
    present = Presenter(urls, event_urls)
    news = News(queue)
    waiters = Waiters(pool, news)
    deadlines = Deadlines(pool, dispatcher)
    line = Line(pool)
    streams = Streams(pool, news, present, deadlines, line)
    authenticator = Authenticator(pool, settings.require_secret())
    browsers = Browsers(settings.public_url)
    rules = Rules(
        available=available_modes(settings.engines),
        max_pending=settings.max_pending_per_user,
        allow_private_webhooks=settings.webhook_allow_private,
    )
    older = None
    if settings.legacy_redis_url is not None:
        older = LegacyReader(pool, settings.legacy_redis_url, settings.legacy_prefix)
    services = Services(
        health=HealthWatch(connections),
        pool=pool,
        urls=urls,
        gate=Gate(authenticator, browsers, RateLimiter(queue, settings.rate_limit_per_minute)),
        browsers=browsers,
        sessions=Sessions(pool, authenticator, settings.require_secret()),
        files=FileService(
            pool,
            storage,
            max_bytes=settings.max_upload_bytes,
            max_pixels=settings.max_image_pixels,
            max_stored=settings.max_stored_bytes_per_user,
            directory=uploads,
            accel_redirect=settings.accel_redirect,
            allow_private=settings.webhook_allow_private,
        ),
        present=present,
        tasks=TaskService(pool, dispatcher, waiters, rules, older, deadlines),
        batches=Batches(pool, dispatcher, rules, deadlines),
        deadlines=deadlines,
        line=line,
        webhooks=WebhookService(
            pool, queue, Seal(settings.require_secret()), allow_private=settings.webhook_allow_private
        ),
        waiters=waiters,
        streams=streams,
        event_urls=event_urls,
        watch=Watch(looks_of(pool, settings)),
        metrics=Metrics(pool),
    )
    await dispatcher.start()
    await news.start()
    await waiters.start()
    await streams.start()
    try:
        yield services
    finally:
        await streams.close()
        await waiters.close()
        await news.close()
        await dispatcher.close()
        await authenticator.close()
        await services.files.close()
        if older is not None:
            await older.close()

"""When Dramatiq's threads run."""

import threading

from dramatiq import Broker
from dramatiq.middleware import Middleware


class Boots(Middleware):
    """Tells when Dramatiq's threads run. One that is asked to stop before it runs forgets that it was asked."""

    def __init__(self) -> None:
        self._booted = threading.Semaphore(0)

    def after_consumer_thread_boot(self, broker: Broker, thread: threading.Thread) -> None:
        self._booted.release()

    def after_worker_thread_boot(self, broker: Broker, thread: threading.Thread) -> None:
        self._booted.release()

    def wait_for(self, threads: int) -> None:
        """Return when so many threads run."""
        for _ in range(threads):
            self._booted.acquire()

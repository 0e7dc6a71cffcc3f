"""What the children of `up` are told: the settings, completed with what the stack brings itself."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from service.embedded.private_files import write_private
from service.settings import Settings, load_settings
from service.settings.sources import read_dotenv

_DOTENV = Path(".env")
# Stands in for the servers that aren't running yet while everything else is judged.
_SOME_DATABASE = "postgresql://postgres@127.0.0.1/postgres"


@dataclass(frozen=True, slots=True)
class Environment:
    """Variables for the children, without the servers' URLs where the servers are ours."""

    variables: Mapping[str, str]
    database_url: str | None
    redis_url: str | None

    def complete(self, database_url: str, redis_url: str) -> dict[str, str]:
        return {**self.variables, "DATABASE_URL": database_url, "REDIS_URL": redis_url}


def prepare_environment(environ: Mapping[str, str], directory: Path, *, workers: int) -> Environment:
    """Judge the settings, and make the secret key if it is missing.

    Raises:
        SettingsError: a setting is wrong, before anything was started.
    """
    dotenv = read_dotenv(_DOTENV)
    variables = dotenv | {name: value for name, value in environ.items() if value.strip() or name not in dotenv}
    database_url, redis_url = (variables.pop(name, "").strip() or None for name in ("DATABASE_URL", "REDIS_URL"))
    settings = _judged(environ, directory, database_url)
    if not settings.secret_keys:
        write_private(directory / "secret-key", secrets.token_urlsafe(48))
        settings = _judged(environ, directory, database_url)
    if not variables.get("ENGINE_THREADS", "").strip():
        # Otherwise every slot of every worker would take all cores.
        threads = max(1, settings.engine_threads // (workers * settings.worker_slots))
        variables["ENGINE_THREADS"] = str(threads)
    variables["STORAGE_URL"] = settings.storage_url
    variables["SECRET_KEY"] = ",".join(settings.secret_keys)
    return Environment(variables, database_url, redis_url)


def _judged(environ: Mapping[str, str], directory: Path, database_url: str | None) -> Settings:
    known = {**environ, "DATABASE_URL": database_url or _SOME_DATABASE}
    return load_settings(known, data_dir=directory, dotenv=_DOTENV)

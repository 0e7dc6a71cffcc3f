"""Settings: what can be set, within which bounds, and how it is read from the environment.

A number, a choice, a flag or a plain text is one field of `Settings`, with its bounds: it is read by its type. What is
more than that has a function below.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar, cast

import msgspec
from msgspec import Meta
from msgspec.inspect import (
    BoolType,
    IntType,
    LiteralType,
    Metadata,
    NoneType,
    StrType,
    StructType,
    UnionType,
    type_info,
)

from schema.models.edits import DEFAULT_ENGINE, Mode
from schema.models.engines import WorkflowSettings
from service.processes.cores import usable_cores
from service.settings.engines import read_engines, read_workflow_settings
from service.settings.sources import SettingsError, Sources, read_data_dir, read_dotenv, up_runs
from service.settings.web import read_cors_origins, read_public_url, read_trusted_proxies
from service.urls.database import read_database_url
from service.urls.parameters import WrongParameter
from service.urls.redis import read_redis_url
from service.urls.splitting import NotAUrl
from service.urls.storage import TAKES as STORAGE_URL_TAKES
from service.urls.storage import read_storage_url

T = TypeVar("T")

DEFAULT_DATA_DIR = Path(".darkroom")
DEFAULT_REDIS_URL = "redis://127.0.0.1:6379/0"
MIN_SECRET_LENGTH = 16
_MOST: Final = 2**31 - 1

ModelFile = Annotated[
    str,
    Meta(
        max_length=4096,
        description="the path of an ONNX file, such as /models/birefnet.onnx, as `darkroom models check` takes it",
    ),
]
Days = Annotated[int, Meta(ge=0, le=36_500)]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that can be set. Names are the environment's, in lower case; README.md lists them."""

    database_url: str
    redis_url: str
    storage_url: str
    storage_options: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])
    """The AWS_* variables, from the environment and `.env`."""
    secret_keys: tuple[str, ...] = ()
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8000
    """Where the API listens; hosts say it."""
    public_url: str | None = None
    """Without a slash at its end."""
    accel_redirect: (
        Annotated[
            str,
            Meta(
                pattern=r"^/[A-Za-z0-9._~/-]{1,99}$",
                description="where nginx has the storage's directory as an internal location, such as /stored/",
            ),
        ]
        | None
    ) = None
    """nginx sends files itself, and is told which."""
    cors_origins: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    """The networks whose X-Forwarded-For and X-Forwarded-Proto are believed."""
    keep_alive_seconds: Annotated[int, Meta(ge=1, le=3600)] = 75
    """How long a connection on which nothing is asked stays: longer than a balancer in front keeps it."""
    log_format: Literal["console", "json"] = "console"
    database_pooler: Literal["auto", "transaction", "none"] = "auto"
    database_pool_size: Annotated[int, Meta(ge=1, le=1000)] = 10
    worker_slots: Annotated[int, Meta(ge=1, le=256)] = 1
    worker_remote_slots: Annotated[int, Meta(ge=1, le=256)] = 8
    engine_threads: Annotated[int, Meta(ge=1, le=1024)] = 1
    max_upload_bytes: Annotated[int, Meta(ge=1, le=2**40)] = 10_485_760
    max_image_pixels: Annotated[int, Meta(ge=1, le=1_000_000_000)] = 40_000_000
    max_stored_bytes_per_user: Annotated[int, Meta(ge=0, le=2**50)] = 2**30
    """Of uploads; 0 is off."""
    max_pending_per_user: Annotated[int, Meta(ge=1, le=_MOST)] = 1000
    max_processing_per_user: Annotated[int, Meta(ge=1, le=_MOST)] = 3
    rate_limit_per_minute: Annotated[int, Meta(ge=0, le=10_000_000)] = 600
    task_timeout_seconds: Annotated[int, Meta(ge=1, le=86_400)] = 300
    task_max_attempts: Annotated[int, Meta(ge=1, le=1000)] = 3
    task_retention_days: Days = 0
    upload_retention_days: Days = 0
    webhook_allow_private: bool = False
    redis_prefix: (
        Annotated[
            str,
            Meta(
                pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}$",
                description="what all keys begin with, such as photos: letters, digits and _ . : - (up to 100)",
            ),
        ]
        | None
    ) = None
    """In place of the one that the database gives its installation."""
    idle_look_seconds: Annotated[int, Meta(ge=1, le=300)] = 1
    """How often an idle worker looks for messages by itself; otherwise it is woken."""
    legacy_redis_url: str | None = None
    """Where the system before this one keeps its data; set, tasks that weren't imported yet are read there."""
    legacy_prefix: Annotated[
        str, Meta(max_length=100, description="what the old keys begin with, such as formy: (up to 100 characters)")
    ] = "formy:"
    model_matte: ModelFile | None = None
    model_inpaint: ModelFile | None = None
    """Models in place of ours. Workers look at them; an API needs none."""
    engines: Mapping[Mode, tuple[str, ...]] = msgspec.field(
        default_factory=lambda: dict.fromkeys(Mode, (DEFAULT_ENGINE,))
    )
    workflows: WorkflowSettings = WorkflowSettings()
    engine_away_seconds: Annotated[int, Meta(ge=0, le=86_400)] = 60
    """How long an engine may be away before the next one takes over."""

    def __repr__(self) -> str:
        # Half of the fields hold passwords or keys, and reprs end up in logs and tracebacks.
        return f"<Settings of {len(self.__struct_fields__)} values>"

    @property
    def models(self) -> dict[str, str]:
        """Of each variable that names a model: its file."""
        named = {"MODEL_MATTE": self.model_matte, "MODEL_INPAINT": self.model_inpaint}
        return {name: path for name, path in named.items() if path is not None}

    @property
    def through_pooler(self) -> bool:
        """Whether the database is reached through a transaction pooler, where sessions are shared between clients."""
        if self.database_pooler == "auto":
            return read_database_url(self.database_url).pooled
        return self.database_pooler == "transaction"

    def require_secret(self) -> tuple[str, ...]:
        """The keys that sign: the first signs, all verify.

        Raises:
            SettingsError: there is none.
        """
        if not self.secret_keys:
            raise SettingsError(f"SECRET_KEY is not set. It takes {_SECRET_KEY_TAKES}")
        return self.secret_keys


def load_settings(
    environ: Mapping[str, str], *, data_dir: Path | None = None, dotenv: Path | None = Path(".env")
) -> Settings:
    """Put the settings together: `environ` wins over `dotenv`, which wins over the data directory and the defaults.

    Without a `data_dir` the default one counts when a `darkroom up` runs there. An empty variable isn't set.

    Raises:
        SettingsError: something is missing or wrong, in one line.
    """
    if data_dir is None and up_runs(DEFAULT_DATA_DIR):
        data_dir = DEFAULT_DATA_DIR
    sources = [("", environ)]
    if dotenv is not None:
        sources.append((f" (in {dotenv})", read_dotenv(dotenv)))
    if data_dir is not None:
        sources.append((f" (in {data_dir})", read_data_dir(data_dir)))
    files = default_files() if data_dir is None else data_dir / "files"
    return _Reader(Sources(sources)).settings(files)


def default_files() -> Path:
    """Where files are kept without STORAGE_URL and a data directory: the same place wherever a process is started.

    An API and a worker that each kept them below their own working directory would never see each other's.
    """
    if data_home := os.environ.get("XDG_DATA_HOME", ""):
        return Path(data_home).absolute() / "darkroom/files"
    try:
        return Path.home() / ".local/share/darkroom/files"
    except RuntimeError:  # an account without a name has no home
        return Path("/var/lib/darkroom/files")


_SECRET_KEY_TAKES = (
    f"one or several random keys separated by commas, each of at least {MIN_SECRET_LENGTH} characters; "
    "`openssl rand -hex 32` makes one."
)
DATABASE_URL_TAKES = (
    "postgresql://user:password@host:port/database (special characters in the password percent-encoded)"
)
REDIS_URL_TAKES = "redis://user:password@host:port/number, or rediss:// for TLS"


class _Reader:
    """Reads and judges one variable after another."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def settings(self, files: Path) -> Settings:
        """Everything, judged; files are kept in the directory `files` unless STORAGE_URL says otherwise."""
        values: dict[str, Any] = {
            "database_url": self._database_url(),
            "redis_url": self._redis_url("REDIS_URL") or DEFAULT_REDIS_URL,
            "legacy_redis_url": self._redis_url("LEGACY_REDIS_URL"),
            "storage_url": self._storage_url() or files.absolute().as_uri(),
            "storage_options": self._sources.beginning_with("AWS_"),
            "secret_keys": self._secret_keys(),
            "public_url": read_public_url(self._sources),
            "cors_origins": read_cors_origins(self._sources),
            "trusted_proxies": read_trusted_proxies(self._sources),
            "engines": read_engines(self._sources),
            "workflows": read_workflow_settings(self._sources),
        }
        plain = {name: kind for name, kind in PLAIN.items() if name not in values}
        values["engine_threads"] = usable_cores()
        for name, kind in plain.items():
            if (value := self._plain(name.upper(), kind)) is not None:
                values[name] = value
        return Settings(**values)

    def _plain(self, name: str, kind: Any) -> int | bool | str | None:
        """What a field's type tells how to read, or None when it isn't set."""
        takes = ""
        if isinstance(kind, UnionType):
            kind = next(one for one in kind.types if not isinstance(one, NoneType))
        if isinstance(kind, Metadata):
            takes, kind = cast("dict[str, str]", kind.extra_json_schema)["description"], kind.type
        match kind:
            case IntType(ge=least, le=most):
                return self._number(name, least or 0, most or _MOST)
            case BoolType():
                flag = self._choice(name, ("true", "false"))
                return None if flag is None else flag == "true"
            case LiteralType(values=choices):
                return self._choice(name, [str(choice) for choice in choices])
            case StrType():
                return self._short_text(name, kind, takes)
            case _:
                raise TypeError(f"{name} needs a function that reads it")

    def _number(self, name: str, least: int, most: int) -> int | None:
        text = self._sources.text(name)
        if not text:
            return None
        if not re.fullmatch(r"[0-9]{1,18}", text) or not least <= int(text) <= most:
            raise self._sources.wrong(name, f"a whole number from {least} to {most}")
        return int(text)

    def _choice(self, name: str, choices: Sequence[str]) -> str | None:
        text = self._sources.text(name)
        if text and text not in choices:
            raise self._sources.wrong(name, " or ".join(choices))
        return text or None

    def _short_text(self, name: str, kind: StrType, takes: str) -> str | None:
        text = self._sources.text(name)
        fits = text.isprintable() and len(text) <= (kind.max_length or _MOST) and re.search(kind.pattern or "", text)
        if text and not fits:
            raise self._sources.wrong(name, takes)
        return text or None

    def _database_url(self) -> str:
        name = "DATABASE_URL"
        if not self._sources.text(name):
            raise SettingsError(
                f"{name} is not set. It takes {DATABASE_URL_TAKES}; "
                "or start `darkroom up` and name its directory with --data-dir."
            )
        self._understood(name, read_database_url, DATABASE_URL_TAKES)
        return self._sources.text(name)

    def _redis_url(self, name: str) -> str | None:
        """As every client of ours takes it."""
        return self._understood(name, read_redis_url, REDIS_URL_TAKES) if self._sources.text(name) else None

    def _understood(self, name: str, read: Callable[[str], T], takes: str) -> T:
        try:
            return read(self._sources.text(name))
        except NotAUrl:
            raise self._sources.wrong(name, takes) from None
        except WrongParameter as error:
            raise self._sources.wrong(name, str(error)) from None

    def _storage_url(self) -> str:
        if self._sources.text("STORAGE_URL"):
            self._understood("STORAGE_URL", read_storage_url, STORAGE_URL_TAKES)
        return self._sources.text("STORAGE_URL")

    def _secret_keys(self) -> tuple[str, ...]:
        keys = tuple(self._sources.several("SECRET_KEY", _SECRET_KEY_TAKES))
        if any(len(key) < MIN_SECRET_LENGTH or not key.isprintable() for key in keys):
            raise self._sources.wrong("SECRET_KEY", _SECRET_KEY_TAKES)
        return keys


def _types_of_fields() -> dict[str, Any]:
    struct = type_info(Settings)
    assert isinstance(struct, StructType)  # noqa: S101 - it is one
    return {field.name: field.type for field in struct.fields}


PLAIN: Final = _types_of_fields()
"""What each field takes; those without a function of their own are read by it."""

"""Settings: the environment, `.env`, and what a running `darkroom up` left in its data directory."""

import io
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

import msgspec
from dotenv.parser import parse_stream

from schema.models.edits import Mode

DEFAULT_DATA_DIR = Path(".darkroom")
DEFAULT_REDIS_URL = "redis://127.0.0.1:6379/0"
MIN_SECRET_LENGTH = 16
LONGEST_PREFIX = 100
POOLER_PORT = 6543
"""Where Supabase and its like listen with a transaction pooler."""

LOG_FORMATS = ("console", "json")
POOLERS = ("auto", "transaction", "none")
ENGINES = ("local",)

_INT32 = 2**31 - 1
NUMBERS: Mapping[str, tuple[int, int]] = {
    "DATABASE_POOL_SIZE": (1, 1000),
    "WORKER_SLOTS": (1, 256),
    "ENGINE_THREADS": (1, 1024),
    "MAX_UPLOAD_BYTES": (1, 2**40),
    "MAX_IMAGE_PIXELS": (1, 1_000_000_000),
    "MAX_PENDING_PER_USER": (1, _INT32),
    "MAX_PROCESSING_PER_USER": (1, _INT32),
    "RATE_LIMIT_PER_MINUTE": (0, 10_000_000),
    "TASK_TIMEOUT_SECONDS": (1, 86_400),
    "TASK_MAX_ATTEMPTS": (1, 1000),
    "TASK_RETENTION_DAYS": (0, 36_500),
    "UPLOAD_RETENTION_DAYS": (0, 36_500),
}
"""Every whole number that can be set, with the least and the most it may be."""


class SettingsError(Exception):
    """A setting is missing or wrong; the message names the variable and what it takes, never its value."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that can be set. Names are the environment's, in lower case; README.md lists them."""

    database_url: str
    redis_url: str
    storage_url: str
    storage_options: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])
    """The AWS_* variables, from the environment and `.env`."""
    secret_keys: tuple[str, ...] = ()
    public_url: str | None = None
    """Without a slash at its end."""
    cors_origins: tuple[str, ...] = ()
    log_format: str = "console"
    database_pooler: str = "auto"
    database_pool_size: int = 10
    worker_slots: int = 1
    engine_threads: int = 1
    max_upload_bytes: int = 10_485_760
    max_image_pixels: int = 40_000_000
    max_pending_per_user: int = 1000
    max_processing_per_user: int = 3
    rate_limit_per_minute: int = 600
    task_timeout_seconds: int = 300
    task_max_attempts: int = 3
    task_retention_days: int = 0
    upload_retention_days: int = 0
    webhook_allow_private: bool = False
    legacy_redis_url: str | None = None
    """Where the system before this one keeps its data; set, tasks that weren't imported yet are read there."""
    legacy_prefix: str = "formy:"
    engines: Mapping[Mode, str] = msgspec.field(default_factory=lambda: dict.fromkeys(Mode, "local"))

    def __repr__(self) -> str:
        # Half of the fields hold passwords or keys, and reprs end up in logs and tracebacks.
        return f"<Settings of {len(self.__struct_fields__)} values>"

    @property
    def through_pooler(self) -> bool:
        """Whether the database is reached through a transaction pooler, where sessions are shared between clients."""
        if self.database_pooler == "auto":
            return POOLER_PORT in _ports(urlsplit(self.database_url))
        return self.database_pooler == "transaction"

    def require_secret(self) -> tuple[str, ...]:
        """The keys that sign: the first signs, all verify.

        Raises:
            SettingsError: there is none.
        """
        if not self.secret_keys:
            raise SettingsError(f"SECRET_KEY is not set. {_SECRET_KEY_TAKES}")
        return self.secret_keys


def load_settings(
    environ: Mapping[str, str], *, data_dir: Path | None = None, dotenv: Path | None = Path(".env")
) -> Settings:
    """Put the settings together: `environ` wins over `dotenv`, which wins over the data directory and the defaults.

    Without a `data_dir` the default one counts when a `darkroom up` runs there. An empty variable isn't set.

    Raises:
        SettingsError: something is missing or wrong, in one line.
    """
    if data_dir is None and os.access(DEFAULT_DATA_DIR / "ready.json", os.R_OK):
        data_dir = DEFAULT_DATA_DIR
    sources = [("", environ)]
    if dotenv is not None:
        sources.append((f" (in {dotenv})", read_dotenv(dotenv)))
    if data_dir is not None:
        sources.append((f" (in {data_dir})", _read_data_dir(data_dir)))
    return _Reader(sources).settings((data_dir or DEFAULT_DATA_DIR) / "files")


def read_dotenv(path: Path) -> dict[str, str]:
    """The variables in a `.env` file: NAME=value lines, `export` and quotes allowed, # begins a comment.

    A file that isn't there holds nothing.

    Raises:
        SettingsError: the file can't be read, or a line is something else.
    """
    values: dict[str, str] = {}
    for binding in parse_stream(io.StringIO(_read_text(path))):
        if binding.error or (binding.key is not None and binding.value is None):
            raise SettingsError(f"{path}, line {binding.original.line}: takes NAME=value")
        if binding.key is not None:
            values[binding.key] = binding.value or ""
    return values


_SECRET_KEY_TAKES = (
    f"It takes one or several random keys separated by commas, each of at least {MIN_SECRET_LENGTH} characters; "
    "`openssl rand -hex 32` makes one."
)
REDIS_URL_TAKES = "redis://user:password@host:port/number, or rediss:// for TLS"
_DATABASE = re.compile(r"/?[0-9]*")
_HOST = re.compile(r"(?:\[[0-9A-Za-z:.%]+\]|[^:\[\]]*)(?::(?P<port>[0-9]{1,5}))?")


def _read_text(path: Path) -> str:
    """The text of a file, empty when there is none. Raises SettingsError when it can't be read."""
    try:
        return path.read_text("utf-8-sig")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise SettingsError(f"{path} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{path} can't be read: it isn't UTF-8 text") from None


class _Ready(msgspec.Struct):
    """What of `ready.json` is a setting."""

    database_url: str
    redis_url: str


def _read_data_dir(data_dir: Path) -> dict[str, str]:
    """What a running or starting `darkroom up` keeps in its directory. Raises SettingsError."""
    values = {"SECRET_KEY": _read_text(data_dir / "secret-key")}
    if text := _read_text(data_dir / "ready.json"):
        try:
            ready = msgspec.json.decode(text, type=_Ready)
        except msgspec.MsgspecError:
            raise SettingsError(f"{data_dir / 'ready.json'} isn't what `darkroom up` writes") from None
        values |= {"DATABASE_URL": ready.database_url, "REDIS_URL": ready.redis_url}
    return values


def _ports(url: SplitResult) -> set[int]:
    """The ports in a database URL, which may list several hosts. Raises ValueError for what isn't host[:port]."""
    ports = {int(port) for port in parse_qs(url.query).get("port", [])}
    for host in url.netloc.rpartition("@")[2].split(","):
        found = _HOST.fullmatch(host)
        if found is None:
            raise ValueError("not a host")
        if found["port"]:
            ports.add(int(found["port"]))
    if any(not 0 < port < 65_536 for port in ports):  # noqa: PLR2004 - TCP's
        raise ValueError("not a port")
    return ports


class _Reader:
    """Reads and judges one variable after another; the first source that has it wins."""

    def __init__(self, sources: Sequence[tuple[str, Mapping[str, str]]]) -> None:
        self.sources = sources

    def settings(self, files: Path) -> Settings:
        """Everything, judged; files are kept in the directory `files` unless STORAGE_URL says otherwise."""
        values: dict[str, Any] = {
            "database_url": self._database_url(),
            "redis_url": self._redis_url("REDIS_URL") or DEFAULT_REDIS_URL,
            "legacy_redis_url": self._redis_url("LEGACY_REDIS_URL"),
            "storage_url": self._storage_url() or files.absolute().as_uri(),
            "storage_options": self._storage_options(),
            "secret_keys": self._secret_keys(),
            "public_url": self._public_url(),
            "cors_origins": self._cors_origins(),
            "log_format": self._choice("LOG_FORMAT", LOG_FORMATS) or LOG_FORMATS[0],
            "database_pooler": self._choice("DATABASE_POOLER", POOLERS) or POOLERS[0],
            "engine_threads": _cores(),
            "engines": self._engines(),
            "webhook_allow_private": self._choice("WEBHOOK_ALLOW_PRIVATE", ("true", "false")) == "true",
        }
        if prefix := self._legacy_prefix():
            values["legacy_prefix"] = prefix
        for name, (least, most) in NUMBERS.items():
            number = self._number(name, least, most)
            if number is not None:
                values[name.lower()] = number
        return Settings(**values)

    def _text(self, name: str) -> str:
        """What a variable holds, empty when it isn't set."""
        for _, values in self.sources:
            if text := values.get(name, "").strip():
                return text
        return ""

    def _wrong(self, name: str, takes: str) -> SettingsError:
        where = next(label for label, values in self.sources if values.get(name, "").strip())
        return SettingsError(f"{name}{where} takes {takes}")

    def _number(self, name: str, least: int, most: int) -> int | None:
        text = self._text(name)
        if not text:
            return None
        if not re.fullmatch(r"[0-9]{1,15}", text) or not least <= int(text) <= most:
            raise self._wrong(name, f"a whole number from {least} to {most}")
        return int(text)

    def _choice(self, name: str, choices: Sequence[str]) -> str | None:
        text = self._text(name)
        if text and text not in choices:
            raise self._wrong(name, " or ".join(choices))
        return text or None

    def _url(self, name: str, schemes: Sequence[str], takes: str) -> SplitResult | None:
        text = self._text(name)
        if not text:
            return None
        try:
            url = urlsplit(text)
        except ValueError:
            raise self._wrong(name, takes) from None
        # urlsplit drops line breaks and lets the rest pass: what was judged would not be what is used.
        if url.scheme not in schemes or not text.isprintable() or " " in text:
            raise self._wrong(name, takes)
        return url

    def _database_url(self) -> str:
        takes = "postgresql://user:password@host:port/database (special characters in the password percent-encoded)"
        url = self._url("DATABASE_URL", ("postgresql", "postgres"), takes)
        if url is None:
            raise SettingsError(
                f"DATABASE_URL is not set. It takes {takes}; "
                "or start `darkroom up` and name its directory with --data-dir."
            )
        try:
            _ports(url)
        except ValueError:
            raise self._wrong("DATABASE_URL", takes) from None
        return self._text("DATABASE_URL")

    def _redis_url(self, name: str) -> str | None:
        text = self._text(name)
        if text and not is_redis_url(text):
            raise self._wrong(name, REDIS_URL_TAKES)
        return text or None

    def _legacy_prefix(self) -> str | None:
        text = self._text("LEGACY_PREFIX")
        if len(text) > LONGEST_PREFIX or not text.isprintable():
            raise self._wrong("LEGACY_PREFIX", f"what the old keys begin with, such as formy: (up to {LONGEST_PREFIX})")
        return text or None

    def _storage_url(self) -> str:
        takes = "file:///directory or s3://bucket/prefix"
        url = self._url("STORAGE_URL", ("file", "s3"), takes)
        if url is None:
            return ""
        local = url.scheme == "file" and url.netloc in {"", "localhost"} and url.path.startswith("/")
        remote = url.scheme == "s3" and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]+", url.netloc)
        if not (local or remote) or url.query or url.fragment:
            raise self._wrong("STORAGE_URL", takes)
        return self._text("STORAGE_URL")

    def _storage_options(self) -> dict[str, str]:
        names = {name for _, values in self.sources for name in values if name.startswith("AWS_")}
        return {name: text for name in sorted(names) if (text := self._text(name))}

    def _secret_keys(self) -> tuple[str, ...]:
        keys = tuple(key for part in self._text("SECRET_KEY").split(",") if (key := part.strip()))
        if any(len(key) < MIN_SECRET_LENGTH or not key.isprintable() for key in keys):
            raise self._wrong("SECRET_KEY", _SECRET_KEY_TAKES.removeprefix("It takes "))
        return keys

    def _public_url(self) -> str | None:
        takes = "the address clients use, like https://photos.example.com"
        url = self._url("PUBLIC_URL", ("http", "https"), takes)
        if url is None:
            return None
        if not url.hostname or not _is_one_host(url) or url.username is not None or url.query or url.fragment:
            raise self._wrong("PUBLIC_URL", takes)
        return self._text("PUBLIC_URL").rstrip("/")

    def _cors_origins(self) -> tuple[str, ...]:
        origins = tuple(
            origin for part in self._text("CORS_ORIGINS").split(",") if (origin := part.strip().rstrip("/").lower())
        )
        if not all(origin == "*" or re.fullmatch(r"https?://[a-z0-9.:\[\]-]+", origin) for origin in origins):
            raise self._wrong("CORS_ORIGINS", "origins like https://app.example.com separated by commas, or *")
        return origins

    def _engines(self) -> dict[Mode, str]:
        every = self._choice("ENGINE", ENGINES) or ENGINES[0]
        return {mode: self._choice(f"ENGINE_{mode}", ENGINES) or every for mode in Mode}


def is_redis_url(text: str) -> bool:
    """Whether this is the URL of a Redis."""
    try:
        url = urlsplit(text)
    except ValueError:
        return False
    # urlsplit drops line breaks and lets the rest pass: what was judged would not be what is used.
    plain = text.isprintable() and " " not in text and not url.fragment
    return plain and url.scheme in {"redis", "rediss"} and _is_one_host(url) and bool(_DATABASE.fullmatch(url.path))


def _is_one_host(url: SplitResult) -> bool:
    try:
        return url.port != 0
    except ValueError:
        return False


def _cores() -> int:
    """The cores this process may use, which a container or `taskset` can make fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

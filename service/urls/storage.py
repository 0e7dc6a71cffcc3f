"""STORAGE_URL: a directory, or a bucket."""

import re
from pathlib import Path

from msgspec import Struct

from service.urls.splitting import Host, NotAUrl, decoded, split_url

TAKES = "file:///directory or s3://bucket/prefix"

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]+", re.ASCII)


class Directory(Struct, frozen=True):
    path: Path


class Bucket(Struct, frozen=True):
    name: str
    prefix: str
    """Without slashes around it, empty for the whole bucket."""


def read_storage_url(text: str) -> Directory | Bucket:
    """Understand a URL. Raises NotAUrl when it is none of those that TAKES names."""
    url = split_url(text)
    if url.username is None and not url.query and url.fragment is None:
        if url.scheme == "file" and url.hosts in {(Host(""),), (Host("localhost"),)} and url.path.startswith("/"):
            return Directory(Path(decoded(url.path)))
        name = url.hosts[0].name
        if url.scheme == "s3" and url.hosts == (Host(name),) and _BUCKET.fullmatch(name):
            return Bucket(name, url.path.strip("/"))
    raise NotAUrl(f"takes {TAKES}")

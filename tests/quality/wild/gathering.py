"""Fetching what the manifest lists, each file from whoever publishes it, into a cache; the rest is dropped.

The rights in most of these photos are stated nowhere: they are looked at, never passed on, and so never committed.
"""

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from tests.quality.wild.manifest import File

_PATIENCE = 900
"""Seconds for one source to arrive."""


def gathered(files: Iterable[File], cache: Path) -> list[File]:
    """Those of `files` that are in `cache` in the end. What can't be had is told, and left out."""
    files = list(files)
    cache.mkdir(parents=True, exist_ok=True)
    wanted: defaultdict[str, list[File]] = defaultdict(list)
    for file in files:
        if not file.within(cache).exists():
            wanted[file.source].append(file)
    for source, lacking in wanted.items():
        print(f"Fetching {len(lacking)} pictures of {source}", flush=True)
        try:
            _fetch(source, lacking, cache)
        except subprocess.CalledProcessError as error:
            print(f"  can't be had: {error.stderr.decode(errors='replace').strip()}", flush=True)
        except (OSError, subprocess.TimeoutExpired, tarfile.TarError, zipfile.BadZipFile) as error:
            print(f"  can't be had: {error}", flush=True)
    return [file for file in files if file.within(cache).exists()]


def _fetch(source: str, files: list[File], cache: Path) -> None:
    kind, name, version = source.split()
    with tempfile.TemporaryDirectory() as scratch:
        read = _KINDS[kind](name, version, Path(scratch))
        for file in files:
            data = read(file.path)
            if data is None or hashlib.sha256(data).hexdigest() != file.sha256:
                print(f"  {file.path} is missing or another", flush=True)
                continue
            file.within(cache).write_bytes(data)


Reader = Callable[[str], bytes | None]


def _npm(name: str, version: str, scratch: Path) -> Reader:
    _run(["npm", "pack", "--silent", f"{name}@{version}"], scratch)
    return _tar(next(scratch.glob("*.tgz")))


def _debian(name: str, version: str, scratch: Path) -> Reader:
    _run(["apt-get", "download", f"{name}={version}"], scratch)
    whole = scratch / "data.tar"
    whole.write_bytes(_run(["dpkg-deb", "--fsys-tarfile", str(next(scratch.glob("*.deb")))], scratch))
    return _tar(whole)


def _pypi(name: str, version: str, scratch: Path) -> Reader:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    _run([*pip, f"{name}=={version}"], scratch)
    archive = zipfile.ZipFile(next(scratch.glob("*.whl")))
    names = set(archive.namelist())
    return lambda path: archive.read(path) if path in names else None


def _git(name: str, commit: str, scratch: Path) -> Reader:
    _run(["git", "init", "--quiet"], scratch)
    _run(["git", "fetch", "--quiet", "--depth=1", f"https://github.com/{name}.git", commit], scratch)

    def read(path: str) -> bytes | None:
        shown = subprocess.run(
            ["git", "show", f"{commit}:{path}"], cwd=scratch, capture_output=True, check=False, timeout=_PATIENCE
        )
        return shown.stdout if shown.returncode == 0 else None

    return read


_KINDS: Mapping[str, Callable[[str, str, Path], Reader]] = {
    "npm": _npm,
    "debian": _debian,
    "pypi": _pypi,
    "git": _git,
}


def _tar(path: Path) -> Reader:
    archive = tarfile.open(path)  # noqa: SIM115 - it lives as long as its reader
    members = {member.name.removeprefix("./"): member for member in archive.getmembers() if member.isfile()}

    def read(name: str) -> bytes | None:
        member = members.get(name)
        file = None if member is None else archive.extractfile(member)
        return None if file is None else file.read()

    return read


def _run(command: list[str], directory: Path) -> bytes:
    return subprocess.run(command, cwd=directory, capture_output=True, check=True, timeout=_PATIENCE).stdout

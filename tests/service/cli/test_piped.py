"""What is given in place of a file."""

import os
import sys
from pathlib import Path
from threading import Thread

import click
import pytest

from service.cli.piped import as_files

CONTENT = os.urandom(200_000)


def test_what_comes_through_pipes_can_be_read_as_often_as_one_likes(tmp_path: Path) -> None:
    (ordinary := tmp_path / "ordinary").write_bytes(b"a photo")
    for given in ((ordinary, None), (ordinary, ordinary)):
        with as_files(*given, most=len(b"a photo")) as paths:
            assert paths == given
    os.mkfifo(pipe := tmp_path / "pipe")
    writer = Thread(target=pipe.write_bytes, args=[CONTENT])
    writer.start()
    with as_files(pipe, ordinary, most=len(CONTENT)) as (copied, same):
        assert same == ordinary
        assert [copied.read_bytes(), copied.read_bytes()] == [CONTENT, CONTENT]
    writer.join()
    assert not copied.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every file's name is text")
def test_a_name_that_is_no_text_is_told_to_nobody(tmp_path: Path) -> None:
    (odd := Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.jpg"))).write_bytes(CONTENT)
    with as_files(odd, most=len(CONTENT)) as (copied, _):
        assert str(copied).encode()
        assert copied.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/dev/zero", "/dev/zero can't be read: it is larger than 2 MB"),
        ("{}/large", "{}/large can't be read: it is larger than 2 MB"),
        ("/dev", "/dev is a directory, not a file"),
        ("/dev/nothing", "There is no file /dev/nothing"),
    ],
)
def test_what_can_not_be_read_is_told(path: str, words: str, tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as large:
        large.truncate((2 << 20) + 1)
    path = path.format(tmp_path)
    words = words.format(tmp_path)
    with pytest.raises(click.ClickException) as told, as_files(Path(path), most=2 << 20):
        pytest.fail("it was read")
    assert told.value.message == words

"""Whether an upload is a picture Darkroom can edit: judged by its content and structure, without decoding a pixel."""

import mmap
from pathlib import Path

from schema.models.problems import ProblemCode
from schema.pictures.facts import PictureFacts, UnacceptablePictureError
from schema.pictures.judging import judge_picture
from service.refusals import Refused


class UnacceptableImage(Refused):
    """The file can't be edited: INVALID_FILE_TYPE or INVALID_IMAGE, and a sentence that says why."""


def judge(path: Path, *, max_pixels: int) -> PictureFacts:
    """Say what the image in `path` is. Blocks while it reads: call it in a thread.

    Raises:
        UnacceptableImage: it isn't one of our formats, is truncated or corrupt, or its size isn't acceptable.
    """
    with path.open("rb") as file:
        if not file.read(1):
            raise UnacceptableImage(ProblemCode.INVALID_IMAGE, "The file is empty.")
        # Neither a large file nor a hostile one costs memory.
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            try:
                return judge_picture(content, max_pixels)
            except UnacceptablePictureError as error:
                raise UnacceptableImage(error.code, error.message) from None

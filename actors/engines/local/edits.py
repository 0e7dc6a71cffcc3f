"""Making whatever edit is ordered, in the child process."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import cast

import msgspec

from actors.engines.local import wire
from actors.engines.local.background.edit import PLAN as BACKGROUND_PLAN
from actors.engines.local.background.edit import change_background
from actors.engines.local.brought.running import brought_by
from actors.engines.local.head.edit import PLAN as HEAD_PLAN
from actors.engines.local.head.edit import swap_head
from actors.engines.local.models import FETCH_COMMAND, ModelMissingError
from actors.engines.local.perception import faces, hands, landmarks, people, pose, saliency, selfie
from actors.engines.local.pictures.decoding import decode_with
from actors.engines.local.pictures.writing import Made, write_pictures
from actors.engines.local.posing.edit import PLAN as POSE_PLAN
from actors.engines.local.posing.edit import change_pose
from actors.engines.local.raster import use_threads
from actors.engines.local.runtimes import Runtimes
from actors.engines.local.steps import Steps, StoppedError
from actors.engines.seam import EngineError
from schema.models.edits import CONFIG_TYPES, LOCAL, Mode
from schema.models.problems import FailureCode

_EDITS: Mapping[Mode, tuple[Callable[..., Made], dict[str, int]]] = {
    Mode.BACKGROUND_CHANGE: (change_background, BACKGROUND_PLAN),
    Mode.HEAD_SWAP: (swap_head, HEAD_PLAN),
    Mode.POSE_CHANGE: (change_pose, POSE_PLAN),
}
"""For each mode what makes it, and its steps."""
_MODELS = (
    pose.DETECTOR,
    pose.LANDMARKS,
    faces.SHORT_RANGE,
    faces.FULL_RANGE,
    landmarks.MODEL,
    people.MODEL,
    selfie.MODEL,
    hands.PALMS,
    hands.HANDS,
)
"""Besides that of mattes."""
_SAVING = "Saving the pictures"


class Studio:
    """The models of this process, and the edits made with them.

    `threads` bounds the threads of all libraries.
    """

    def __init__(self, threads: int) -> None:
        use_threads(threads)
        decode_with(threads)
        self._runtimes = Runtimes(threads)
        self._brought = brought_by(self._runtimes)

    def warm_up(self) -> None:
        """Load what every edit needs; a model that is missing is told when an edit asks for it."""
        ours = [saliency.MODEL] if self._runtimes.matte is None else []
        with suppress(ModelMissingError):
            self._runtimes.load(*ours, *_MODELS)

    def make(self, work: wire.Work, say: Callable[[wire.Report], None], stopped: Callable[[], bool]) -> wire.Report:
        """Make the edit `work`; see `Maker`."""
        try:
            return self._made(cast("wire.StartEdit", work), say, stopped)
        except StoppedError:
            return wire.Stopped()
        except ModelMissingError as error:
            raise EngineError(
                FailureCode.ENGINE_NOT_AVAILABLE,
                f"This server's engine isn't completely installed (its operator runs `{FETCH_COMMAND}`).",
                details={"model": error.name},
            ) from error

    def _made(
        self, edit: wire.StartEdit, say: Callable[[wire.Report], None], stopped: Callable[[], bool]
    ) -> wire.Report:
        self._brought.used.clear()
        mode = Mode(edit.mode)
        make, plan = _EDITS[mode]
        step = Steps(plan, lambda percent, words: say(wire.Stepped(percent, words)), stopped)
        made = make(
            Path(edit.source),
            None if edit.reference is None else Path(edit.reference),
            msgspec.convert(edit.config, CONFIG_TYPES[mode]),
            edit.max_pixels,
            self._runtimes,
            step,
        )
        step(_SAVING)
        metadata = write_pictures(made, Path(edit.workspace), say)
        step.end()
        metadata |= {"engine": LOCAL, "seconds": step.seconds}
        if self._brought.used:
            metadata["models"] = dict(self._brought.used)
        return wire.Done(metadata)

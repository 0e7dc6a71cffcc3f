"""Tasks of the old system with nothing wrong with them."""

import json
from random import Random
from typing import Any

from msgspec import Struct

from schema.models.edits import (
    BACKGROUND_PRESETS,
    BASE_PRICE,
    POSE_PRESETS,
    REFERENCE_FIELDS,
    Mode,
    Quality,
    Size,
    price,
)
from tests.legacy.sampling.drafts import TaskDraft
from tests.legacy.sampling.names import Names, naive_time

_CONFIGS = 900
_METADATA = 64
_DATA = b'{"mode": "%b", "source_image": "%b"%b, "config": %b%b%b, "user_id": "%b", "credits_consumed": %d}'
_HERE = '"(reference)"'
_SHARING = 33
"""One in so many tasks has the source of the task before it, whoever's that is."""

_NOTES = (
    "把背景换成海边日落 🌅",
    "头发要自然一点，谢谢🙏",  # noqa: RUF001 - as people write
    "Ünïcödé naïve café",
    "证件照，白底",  # noqa: RUF001
    "😀😃😄 family photo 👨‍👩‍👧‍👦",
    "a plain note",
    'quotes " and \\ backslashes',
    "二行\n文字\t制表",
    "ゆっくり走る",
    "🏖️",
)
_STEPS = ("queued", "加载模型", "detecting faces", "正在生成… 请稍候", "saving result")
_ERRORS: tuple[dict[str, Any], ...] = (
    {"code": "NO_FACE_DETECTED", "message": "未检测到人脸 请换一张照片 😥", "details": None},
    {"code": "PROCESSING_TIMEOUT", "message": "Processing timed out after 300s", "details": {"timeout": 300}},
    {"code": "ENGINE_RESPONSE_ERROR", "message": "ComfyUI returned 500", "details": {"status": 500, "body": ""}},
    {"code": "IMAGE_DECODE_FAILED", "message": "cannot identify image file", "details": {"file": "上传.jpg"}},
    {"code": "INTERNAL_ERROR", "message": "'NoneType' object has no attribute 'shape'", "details": {}},
)


class _Config(Struct, frozen=True):
    """A ready `config`: what stands before and after the reference, and what an edit with it costs."""

    mode: Mode
    before: bytes
    after: bytes
    has_reference: bool
    credits: int


class TaskMaker:
    """Makes the tasks of a sample, one after the other."""

    def __init__(self, names: Names, random: Random) -> None:
        self._names = names
        self._random = random.random
        self._configs = [_some_config(random, tuple(Mode)[n % 3]) for n in range(_CONFIGS)]
        self._metadata = [_some_metadata(random) for _ in range(_METADATA)]
        self._errors = [json.dumps(error, ensure_ascii=False).encode() for error in _ERRORS]
        self._steps = [step.encode() for step in _STEPS]

    def source_of(self, index: int) -> bytes:
        """The file that a task edits."""
        return self._names.file_id(index - 1 if index % _SHARING == 1 else index, 0)

    def make(self, index: int, user_id: str, status: str) -> TaskDraft:
        """A task in this status, in the list or set that goes with it."""
        random = self._random
        config = self._configs[int(random() * _CONFIGS)]
        task_id = self._names.task_id(index)
        source = self.source_of(index)
        reference = self._names.file_id(index, 1) if config.has_reference else None
        inside = b'"%b"' % reference if reference is not None else b""
        where = random()
        if reference is not None and where < 0.2:
            beside = b', "reference_image": %b' % inside
        elif where < 0.6:
            beside = b', "reference_image": null'
        else:
            beside = b""
        made = self._names.seconds(index)
        made_at = naive_time(made, int(random() * 1_000_000))
        fields = {
            b"task_id": task_id,
            b"status": status.encode(),
            b"data": _DATA
            % (
                config.mode.value.encode(),
                source,
                beside,
                config.before,
                inside,
                config.after,
                user_id.encode(),
                config.credits,
            ),
            b"created_at": made_at,
            b"updated_at": made_at,
        }
        if status != "pending":
            self._advance(fields, status, task_id, made)
        return TaskDraft(
            index=index,
            task_id=task_id,
            user_id=user_id,
            status=status,
            mode=config.mode.value,
            source_image=source,
            reference_image=reference,
            fields=fields,
            in_queue=1 if status == "pending" else 0,
            in_processing=status == "processing",
        )

    def _advance(self, fields: dict[bytes, bytes], status: str, task_id: bytes, made: int) -> None:
        """Give a task what it gets once a worker has taken it, or its user has given it up."""
        random = self._random
        later = naive_time(made + 1 + int(random() * 240), int(random() * 1_000_000))
        fields[b"updated_at"] = later
        if status == "done":
            fields[b"progress"] = b"100"
            fields[b"current_step"] = "完成".encode()
            fields[b"completed_at"] = later
            fields[b"result"] = self._metadata[int(random() * _METADATA)].replace(b"(task)", task_id)
        elif status == "failed":
            fields[b"progress"] = b"%d" % (random() * 100)
            fields[b"error"] = self._errors[int(random() * len(self._errors))]
            fields[b"failed_at"] = later
        elif status == "processing" or random() < 0.3:
            fields[b"progress"] = b"%d" % (random() * 100)
            fields[b"current_step"] = self._steps[int(random() * len(self._steps))]


def _some_config(random: Random, mode: Mode) -> _Config:
    quality = random.choice((None, *Quality))
    size = random.choice((None, *Size))
    config: dict[str, Any] = {}
    if quality is not None:
        config["quality"] = quality.value
    if size is not None:
        config["size"] = size.value
    has_reference = random.random() < 0.7
    if has_reference:
        config[random.choice(REFERENCE_FIELDS[mode])] = "(reference)"
    elif random.random() < 0.2:
        config[random.choice(REFERENCE_FIELDS[mode])] = None
    config |= _options(random, mode, has_reference=has_reference)
    if random.random() < 0.4:
        config["note"] = random.choice(_NOTES)
    before, _, after = json.dumps(config, ensure_ascii=False).partition(_HERE)
    # The old system's prices leave out quality and size; some deployments had mended that.
    credits_ = BASE_PRICE[mode] if random.random() < 0.7 else price(mode, quality, size)
    return _Config(mode, before.encode(), after.encode(), has_reference, credits_)


def _options(random: Random, mode: Mode, *, has_reference: bool) -> dict[str, Any]:
    """What goes with a mode, some of it from a front end that Darkroom doesn't know."""
    match mode:
        case Mode.HEAD_SWAP:
            return {"blend_strength": round(random.random(), 2), "preserve_details": random.random() < 0.5}
        case Mode.BACKGROUND_CHANGE:
            kind = random.choice(("custom", "preset", "remove"))
            if kind == "custom" and not has_reference:
                kind = "remove"
            preset = {"background_preset": random.choice(BACKGROUND_PRESETS)} if kind == "preset" else {}
            return {"background_type": kind, **preset, "edge_blur": random.randint(0, 10), "color_match": True}
        case Mode.POSE_CHANGE:
            return {"target_pose": random.choice(POSE_PRESETS), "preserve_face": True, "ui_version": "1.4.2-β"}


def _some_metadata(random: Random) -> bytes:
    """A result of the task `(task)`."""
    ending = "png" if random.random() < 0.1 else "jpg"
    comparison = f"/results/(task)/comparison.{ending}" if random.random() < 0.8 else None
    result = {
        "output_image": f"/results/(task)/output.{ending}",
        "thumbnail": "/results/(task)/thumbnail.jpg",
        "comparison_image": comparison,
        "metadata": {
            "width": random.choice((768, 1024, 1536)),
            "height": random.choice((768, 1024, 1152)),
            "format": "PNG" if ending == "png" else "JPEG",
            "model": "flux-fill",
            "processing_time": round(random.uniform(3, 240), 2),
            "描述": "自动生成 ✨",
        },
    }
    return json.dumps(result, ensure_ascii=False).encode()

import time

import pytest

from actors.engines.workflows.saying import LONGEST, UNTOLD, told

BEGIN = "The engine couldn't make this edit"


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("Sizes of tensors must match: 640 and 512", "Sizes of tensors must match: 640 and 512"),
        ("torch.cuda.SomeError: no kernel image", "no kernel image"),
        ('ValueError: bad\nTraceback (most recent call last):\n  File "/a/b.py", line 3, in f\n    secret', "bad"),
        ("can't open /root/ComfyUI/models/checkpoints/x y.safetensors now", "can't open … now"),
        (r"can't open C:\ComfyUI\models\x.safetensors", "can't open …"),
        ("see https://host/view?key=abc for more", "see … for more"),
        ("no model loras/face.safetensors", "no model …"),
        ("refused 0123456789abcdef0123456789abcdef", "refused …"),
        ("and/or a width of 3/4", "and/or a width of 3/4"),
    ],
)
def test_a_node_s_words_lose_what_is_nobody_s_business(message: str, shown: str) -> None:
    assert told("KSampler", message) == f"{BEGIN}. KSampler: {shown}"


def test_where_nothing_is_left_the_sentence_says_so() -> None:
    assert told("KSampler", "RuntimeError: /a/b/c.py") == UNTOLD
    assert told("", "too dark") == f"{BEGIN}: too dark"
    assert len(told("", "word " * 999)) < LONGEST + 60


@pytest.mark.parametrize(
    "long",
    [
        "can't decode " + "iVBORw0KGgo/" * 20_000,
        "can't decode " + "a/" * 50_000,
        "a" * 200_000,
        "a." * 100_000,
        "/" * 100_000,
        "can't be " + "x " * 100_000,
    ],
    ids=lambda text: text[:20],
)
def test_a_node_that_says_much_keeps_nobody_busy(long: str) -> None:
    """A picture in base64, say: the worker's leases, of all its edits, would run out meanwhile."""
    started = time.process_time()
    assert told("Load Image", long)
    assert time.process_time() - started < 1.0


def test_what_is_cut_off_shows_no_half_of_a_path() -> None:
    said = told("Load Image", "no such file " + "x " * 890 + "C:/Users/somebody/" + "y" * 500)
    assert "somebody" not in said

"""Every step that an edit may tell has its place in the edit's plan: a missing one would end the edit."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.engines.local import background, head, perception, posing
from actors.engines.local.background.edit import PLAN as BACKGROUND
from actors.engines.local.head.edit import PLAN as HEAD
from actors.engines.local.posing.edit import PLAN as POSE


def told_in(*paths: Path) -> Iterator[str]:
    """The words of every `step("...")` in these files."""
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "step":
                (words,) = node.args
                assert isinstance(words, ast.Constant)
                assert isinstance(words.value, str)
                yield words.value


def files(package: object) -> list[Path]:
    (directory,) = getattr(package, "__path__")  # noqa: B009 - a package has one, a module none
    return sorted(Path(directory).glob("*.py"))


MATTE = next(path for path in files(perception) if path.name == "matte.py")


@pytest.mark.parametrize(
    ("plan", "paths"),
    [(BACKGROUND, [*files(background), MATTE]), (HEAD, files(head)), (POSE, [*files(posing), MATTE])],
    ids=["background", "head", "pose"],
)
def test_every_step_is_planned(plan: dict[str, int], paths: list[Path]) -> None:
    told = set(told_in(*paths)) | {"Saving the pictures"}
    assert told == set(plan)
    assert list(plan.values()) == sorted(set(plan.values())), "Progress only grows"
    assert 0 <= min(plan.values()) <= max(plan.values()) < 100

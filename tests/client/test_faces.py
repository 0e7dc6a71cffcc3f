"""The client's two faces: whoever knows one knows the other."""

import inspect

import pytest

import darkroom_client
from darkroom_client import aio, models, sync
from darkroom_client.errors import ApiError, EditFailed
from schema.models.problems import FailureCode, ProblemCode


def methods(kind: type) -> dict[str, list[str]]:
    """A class's methods, dunders aside, and what they take."""
    found = inspect.getmembers(kind, inspect.isfunction)
    return {name: list(inspect.signature(method).parameters) for name, method in found if not name.startswith("__")}


@pytest.mark.parametrize("name", ["Darkroom", "Edit", "Batch"])
def test_they_have_the_same_methods(name: str) -> None:
    waiting, awaited = getattr(sync, name), getattr(aio, f"Async{name}")
    assert methods(waiting) == methods(awaited) != {}
    for method in methods(awaited):
        function = getattr(awaited, method)
        assert inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function), method


def test_what_is_returned_can_be_named() -> None:
    told = {
        name: kind
        for name, kind in vars(models).items()
        if inspect.isclass(kind) and kind.__module__ == models.__name__
    }
    assert told != {}
    assert {name: getattr(darkroom_client, name, None) for name in told} == told
    assert set(told) <= set(darkroom_client.__all__)


def test_every_code_has_its_exception() -> None:
    assert set(ApiError.codes) == set(ProblemCode)
    assert {*EditFailed.codes, EditFailed.code} == set(FailureCode)

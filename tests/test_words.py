"""People are told what is wrong in words: a class's name is for the log."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOMS = ("service", "actors")


def told_names(node: ast.AST) -> Iterator[int]:
    """Lines that use `type(x).__name__`, or the like, anywhere but in a call of `log`."""
    if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("log."):
        return
    if isinstance(node, ast.Attribute) and node.attr == "__name__":
        of = ast.unparse(node.value)
        if of.startswith("type(") or of.endswith(".__class__"):
            yield node.lineno
    for child in ast.iter_child_nodes(node):
        yield from told_names(child)


def test_no_class_is_named_to_people() -> None:
    root = Path(__file__).parents[1]
    found = {
        f"{file.relative_to(root)}:{line}"
        for room in ROOMS
        for file in (root / room).rglob("*.py")
        for line in told_names(ast.parse(file.read_text()))
    }
    assert found == set()
    # That the look sees anything.
    assert list(told_names(ast.parse('print(f"unexpected {type(error).__name__}", error.__class__.__name__)'))) == [
        1,
        1,
    ]

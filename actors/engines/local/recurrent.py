"""A network with a memory that looks at one picture several times, without doing anything twice.

Most of its work on a picture needs no memory, and what it tells counts after the last look only. So it is taken apart:
what depends on the picture alone, what makes new memories of old ones, and what tells the outcome.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from actors.engines.local.arrays import Floats

Make = Callable[[Sequence[Any], Sequence[Any]], Any]
"""Makes a network, ready to run, of what it is to tell and its inputs."""


class Recurrent:
    """The network `model`, whose one outcome is `outcome`; its memories `r1i`, `r2i` ... become `r1o`, `r2o` ...

    `parameter` makes an input like a value inside of it, and `make` its parts.
    """

    def __init__(self, model: Any, outcome: str, parameter: Callable[[Any], Any], make: Make) -> None:
        inputs: dict[str, Any] = {port.any_name: port.get_node() for port in model.inputs}
        self._memories = [f"r{number}i" for number in range(1, len(inputs)) if f"r{number}i" in inputs]
        self._picture = [name for name in inputs if name not in self._memories]
        memories, picture = ([inputs[name] for name in names] for names in (self._memories, self._picture))
        told = [_source(model.output(name).get_node().input(0)) for name in (outcome, *map(_after, self._memories))]
        nodes: list[Any] = model.get_ordered_ops()
        remembering = _reached(nodes, memories)
        seen = _reached(nodes, picture) - remembering
        needed = _needed(nodes, [port.get_node() for port in told[1:]])
        first = _cut(nodes, seen, remembering & needed, parameter)
        then = _cut(nodes, remembering & needed, {_name(node) for node in nodes} - needed, parameter)
        between = [[instead for _, instead in cut] for cut in (first, then)]
        self._once = make([port for port, _ in first], picture)
        self._again = make([*told[1:], *(port for port, _ in then)], [*memories, *between[0]])
        self._last = make(told[:1], [*picture, *between[1]])
        self._outcome = outcome

    @property
    def requests(self) -> list[Any]:
        """Its parts."""
        return [self._once, self._again, self._last]

    def looked(self, inputs: Mapping[str, Floats], times: int) -> dict[str, Floats]:
        """Its outcome after so many looks, its memories, as inputs, and what it saw before those ("seen0" ...)."""
        picture = [inputs[name] for name in self._picture]
        memories = [inputs[name] for name in self._memories]
        seen, others = _told(self._once, picture), list[Floats]()
        for _ in range(times):
            told = _told(self._again, [*memories, *seen])
            # Copies: the next look writes into the same memory.
            memories = [np.array(one) for one in told[: len(memories)]]
            others = told[len(memories) :]
        (outcome,) = _told(self._last, [*picture, *others])
        kept = {f"seen{number}": np.array(one) for number, one in enumerate(seen)}
        return {self._outcome: np.array(outcome), **kept, **dict(zip(self._memories, memories, strict=True))}


def _told(request: Any, inputs: Sequence[Floats]) -> list[Floats]:
    """What a part says of `inputs`; until it runs again."""
    request.infer(inputs, share_inputs=True)
    return [tensor.data for tensor in request.output_tensors]


def _after(memory: str) -> str:
    return f"{memory[:-1]}o"


def _name(node: Any) -> str:
    return str(node.get_friendly_name())


def _source(port: Any) -> Any:
    return port.get_source_output()


def _sources(node: Any) -> list[str]:
    return [_name(_source(port).get_node()) for port in node.inputs()]


def _reached(nodes: Sequence[Any], start: Sequence[Any]) -> set[str]:
    """What depends on `start`, and that itself."""
    found = {_name(node) for node in start}
    for node in nodes:
        if not found.isdisjoint(_sources(node)):
            found.add(_name(node))
    return found


def _needed(nodes: Sequence[Any], end: Sequence[Any]) -> set[str]:
    """What `end` depends on, and that itself."""
    found = {_name(node) for node in end}
    for node in reversed(nodes):
        if _name(node) in found:
            found.update(_sources(node))
    return found


def _cut(nodes: Sequence[Any], here: set[str], there: set[str], parameter: Callable[[Any], Any]) -> list[Any]:
    """Whatever goes from `here` to what is `there`, but for the network's inputs, each with an input in its stead."""
    found: dict[tuple[str, int], tuple[Any, Any]] = {}
    for node in nodes:
        if _name(node) not in there:
            continue
        for port in node.inputs():
            value = _source(port)
            key = _name(value.get_node()), int(value.get_index())
            if key[0] in here and value.get_node().get_type_name() != "Parameter":
                port.replace_source_output(found.setdefault(key, (value, parameter(value)))[1].output(0))
    return list(found.values())

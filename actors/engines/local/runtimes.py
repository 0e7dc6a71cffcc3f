"""Running models: OpenVINO and LiteRT behind two typed functions, each model loaded once per process."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from actors.engines.local.arrays import Floats, Rgb8
from actors.engines.local.memory import trim
from actors.engines.local.models import locate
from actors.engines.local.recurrent import Recurrent

_RECURRENT = {"robust_video_matting.onnx"}
"""Models with memories."""

_REPORTER = "openvino_telemetry"
"""Importing OpenVINO tells its makers, when this package is there to do it."""


class Runtimes:
    """The models of one process. Not safe for use from two threads at once.

    `threads` bounds the threads of each run.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._networks: dict[str, Any] = {}
        self._recurrent: dict[str, Recurrent] = {}
        self._interpreters: dict[str, Any] = {}
        self._brought: dict[str, Path] = {}
        self.sparing = True
        """Whether memory counts for more than time."""
        self.matte: Callable[[Rgb8], Floats] | None = None
        """What a model that was brought in place of ours says of a picture: (rows, columns), 0 to 1."""

    def bring(self, name: str, path: Path) -> None:
        """Have a model that isn't one of ours, under a name of its own."""
        self._brought[name] = path

    def looked(self, name: str, inputs: Mapping[str, Floats], times: int) -> dict[str, Floats]:
        """What an ONNX model with memories tells as "pha" after so many looks, and its memories, as inputs.

        Raises:
            ModelMissingError: the model isn't installed.
        """
        return self._remembering(name).looked(inputs, times)

    def run(self, name: str, inputs: Mapping[str, Floats]) -> Floats:
        """The first output of an ONNX model that was brought."""
        outputs: Any = self._network(name).infer(dict(inputs))
        return np.array(outputs[0])

    def onnx(self, name: str, image: Floats) -> Floats:
        """The first output of an ONNX model with one input.

        Raises:
            ModelMissingError: the model isn't installed.
        """
        outputs: Any = self._network(name).infer(image)
        # A copy: the next run writes into the same memory.
        return np.array(outputs[0])

    def rest(self) -> None:
        """Give back the memory in which ONNX models have worked, 200 MB and more, if an edit needs as much elsewhere.

        The next run takes it anew, which costs a tenth of a second and more.
        """
        if not self.sparing:
            return
        parts = (part for network in self._recurrent.values() for part in network.requests)
        for network in (*self._networks.values(), *parts):
            network.get_compiled_model().release_memory()
        trim()

    def tflite(self, name: str, image: Floats) -> Mapping[Sequence[int], Floats]:
        """The outputs of a LiteRT model with one input, by their shape: the first of each.

        Raises:
            ModelMissingError: the model isn't installed.
        """
        interpreter = self._interpreter(name)
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
        interpreter.invoke()
        outputs: list[Any] = [interpreter.get_tensor(output["index"]) for output in interpreter.get_output_details()]
        return {tuple(output.shape): np.array(output) for output in reversed(outputs)}

    def load(self, *names: str) -> None:
        """Load models ahead of their first use.

        Raises:
            ModelMissingError: one isn't installed.
        """
        for name in names:
            if name in _RECURRENT:
                self._remembering(name)
            elif name.endswith(".onnx"):
                self._network(name)
            else:
                self._interpreter(name)

    def _network(self, name: str) -> Any:
        if name not in self._networks:
            self._networks[name] = self._compiled(self._file(name))
        return self._networks[name]

    def _remembering(self, name: str) -> Recurrent:
        if name not in self._recurrent:
            model = core().read_model(self._file(name))
            openvino: Any = sys.modules["openvino"]

            def parameter(value: Any) -> Any:
                return openvino.op.Parameter(value.element_type, value.partial_shape)

            def made(told: Sequence[Any], inputs: Sequence[Any]) -> Any:
                return self._compiled(openvino.Model([openvino.op.Result(value) for value in told], list(inputs)))

            self._recurrent[name] = Recurrent(model, "pha", parameter, made)
        return self._recurrent[name]

    def _file(self, name: str) -> str:
        return str(self._brought.get(name) or locate(name))

    def _compiled(self, model: Any) -> Any:
        """A network, or the path of one, ready to run."""
        settings: dict[str, Any] = {
            "INFERENCE_NUM_THREADS": self._threads,
            "NUM_STREAMS": 1,
            # Pinned threads of two workers would share one core while the other idles.
            "ENABLE_CPU_PINNING": False,
        }
        # Where the processor computes in bfloat16 that is used: half the time for a mean difference of 0.002.
        compiled: Any = core().compile_model(model, "CPU", settings)
        return compiled.create_infer_request()

    def _interpreter(self, name: str) -> Any:
        if name not in self._interpreters:
            interpreter: Any = Interpreter(str(locate(name)), num_threads=self._threads)
            interpreter.allocate_tensors()
            self._interpreters[name] = interpreter
        return self._interpreters[name]


def read_onnx(path: Path) -> Any:
    """An ONNX model as OpenVINO sees it; other formats aren't tried, which would tell on stderr what they aren't.

    Raises:
        Exception: whatever OpenVINO and protobuf make of a file that is none.
    """
    core()
    from openvino import frontend  # noqa: PLC0415 - not before its reporter is shut off

    manager: Any = frontend.FrontEndManager()
    reader: Any = manager.load_by_framework("onnx")
    return reader.convert(reader.load(str(path)))


def core() -> Any:
    """OpenVINO."""
    sys.modules[_REPORTER] = cast("ModuleType", None)  # now importing it fails
    import openvino  # noqa: PLC0415 - not before its reporter is shut off

    return openvino.Core()

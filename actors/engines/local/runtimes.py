"""Running models: ONNX Runtime and LiteRT behind two typed functions, each model loaded once per process."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import onnxruntime
from ai_edge_litert.interpreter import Interpreter

from actors.engines.local.arrays import Floats
from actors.engines.local.models import locate


class Runtimes:
    """The models of one process. Not safe for use from two threads at once.

    `threads` bounds the threads of each run.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._sessions: dict[str, Any] = {}
        self._interpreters: dict[str, Any] = {}

    def onnx(self, name: str, image: Floats) -> Floats:
        """The first output of an ONNX model with one input.

        Raises:
            ModelMissingError: the model isn't installed.
        """
        session = self._session(name)
        result: Any = session.run([session.get_outputs()[0].name], {session.get_inputs()[0].name: image})[0]
        return result

    def tflite(self, name: str, image: Floats) -> Mapping[Sequence[int], Floats]:
        """All outputs, by their shape, of a LiteRT model with one input whose outputs differ in shape.

        Raises:
            ModelMissingError: the model isn't installed.
        """
        interpreter = self._interpreter(name)
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image)
        interpreter.invoke()
        outputs: list[Any] = [interpreter.get_tensor(output["index"]) for output in interpreter.get_output_details()]
        return {tuple(output.shape): np.array(output) for output in outputs}

    def load(self, *names: str) -> None:
        """Load models ahead of their first use.

        Raises:
            ModelMissingError: one isn't installed.
        """
        for name in names:
            if name.endswith(".onnx"):
                self._session(name)
            else:
                self._interpreter(name)

    def _session(self, name: str) -> Any:
        if name not in self._sessions:
            options = cast("Any", onnxruntime.SessionOptions())
            options.intra_op_num_threads = self._threads
            options.inter_op_num_threads = 1
            # Both plan ahead by keeping every buffer a run ever needs: 964 MB at peak instead of 665, and no quicker.
            options.enable_cpu_mem_arena = False
            options.enable_mem_pattern = False
            options.log_severity_level = 3
            self._sessions[name] = onnxruntime.InferenceSession(
                str(locate(name)), options, providers=["CPUExecutionProvider"]
            )
        return self._sessions[name]

    def _interpreter(self, name: str) -> Any:
        if name not in self._interpreters:
            interpreter: Any = Interpreter(str(locate(name)), num_threads=self._threads)
            interpreter.allocate_tensors()
            self._interpreters[name] = interpreter
        return self._interpreters[name]

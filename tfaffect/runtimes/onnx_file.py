"""A `.onnx` file in ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime

from tfaffect.contract import Contract
from tfaffect.errors import UsageError
from tfaffect.files import processors
from tfaffect.runtimes.runtime import Runtime


class ONNXFile(Runtime):
    """A session on the CPU."""

    pixels_at_once = 4 * 240**2

    def __init__(self, path: Path, contract: Contract) -> None:
        super().__init__(path, contract)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = processors.count()
        options.log_severity_level = 3
        # Spinning threads take cores from decoding and detection: 1.5 to 4 ms a face instead of 1.4 to 1.7.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors have no other common base class
            raise UsageError(f"{path} could not be loaded as ONNX: {error}") from error
        self._names = [output.name for output in self._session.get_outputs()]

    def run(self, pictures: np.ndarray) -> dict[str, np.ndarray]:
        """Return the outputs by name for uint8 RGB pictures (n, size, size, 3)."""
        return dict(zip(self._names, self._session.run(None, {"image": pictures}), strict=True))

    def input_shape(self) -> tuple[int | None, ...]:
        """Return the shape that the network takes, None for the batch."""
        (image,) = self._session.get_inputs()
        return tuple(side if isinstance(side, int) else None for side in image.shape)

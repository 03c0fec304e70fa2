#!/usr/bin/env bash
# One would guess: OpenCV 5's dnn module loads a .tflite file with several signatures, and runs the first one or lets one
# choose. What happens: it refuses every file with more than one subgraph, and each signature of a converted model has a
# subgraph of its own. Why it matters: a file for phones with one signature for classes and one for features cannot be used
# in OpenCV, while the same network as ONNX can.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet opencv-python-headless==5.0.0.93 ai-edge-litert==2.3.0 flatbuffers numpy==2.4.6
cat > "$work/show.py" <<'PY'
import sys
from importlib.metadata import version
from pathlib import Path

import cv2
import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter


def write(path, names):
    """Write a file with a signature and a subgraph for each name; each computes the ReLU of a map (1, 2, 2, 1)."""
    graphs, signatures = [], []
    for index, name in enumerate(names):
        operator = schema.OperatorT(opcodeIndex=0, inputs=[0], outputs=[1])
        tensors = [schema.TensorT(shape=[1, 2, 2, 1], type=0, buffer=0, name=f"{name}_{end}") for end in ("in", "out")]
        graphs.append(schema.SubGraphT(tensors=tensors, inputs=[0], outputs=[1], operators=[operator], name=name))
        ends = [schema.TensorMapT(name=end, tensorIndex=place) for place, end in enumerate(("x", "y"))]
        signatures.append(
            schema.SignatureDefT(inputs=ends[:1], outputs=ends[1:], signatureKey=name, subgraphIndex=index)
        )
    code = schema.BuiltinOperator.RELU
    codes = [schema.OperatorCodeT(deprecatedBuiltinCode=code, builtinCode=code, version=1)]
    model = schema.ModelT(
        version=3, operatorCodes=codes, subgraphs=graphs, buffers=[schema.BufferT()], signatureDefs=signatures
    )
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return str(path)


def opencv(path):
    try:
        cv2.dnn.readNetFromTFLite(path)
    except cv2.error as error:
        return "refuses it: " + next(line for line in str(error).splitlines() if "expected" in line)
    return "loads it"


print("OpenCV", cv2.__version__, "LiteRT", version("ai-edge-litert"))
found = {}
for names in (["classify"], ["classify", "embed"]):
    path = write(Path(sys.argv[1], f"{len(names)}.tflite"), names)
    runners = [Interpreter(path).get_signature_runner(name) for name in names]
    answers = [runner(x=np.array([[[[-1], [2]], [[3], [-4]]]], np.float32))["y"].ravel().tolist() for runner in runners]
    assert answers == [[0, 2, 3, 0]] * len(names), answers
    found[len(names)] = opencv(path)
    print(f"{len(names)} signatures: LiteRT runs each; OpenCV {found[len(names)]}")
assert found[1] == "loads it"
assert "subgraphs()->size() == 1u" in found[2], "OpenCV has changed: this finding is out of date"
PY
"$work/venv/bin/python" "$work/show.py" "$work"

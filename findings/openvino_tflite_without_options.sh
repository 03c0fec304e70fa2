#!/usr/bin/env bash
# One would guess: a .tflite file that LiteRT runs loads in OpenVINO too, since both read the same schema.
# What happens: the schema lets an operator leave out its table of options; LiteRT takes the defaults, OpenVINO refuses
# the file. Why it matters: tools that edit or write .tflite files pass every check in LiteRT and fail in OpenVINO.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet openvino==2026.4.0 ai-edge-litert==2.3.0 flatbuffers numpy==2.4.6
cat > "$work/show.py" <<'PY'
import sys
from importlib.metadata import version
from pathlib import Path

import flatbuffers
import numpy as np
import openvino
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter


def subtraction(path, with_options):
    """Write a file that computes a - b."""
    operator = schema.OperatorT(opcodeIndex=0, inputs=[0, 1], outputs=[2])
    if with_options:
        operator.builtinOptionsType = schema.BuiltinOptions.SubOptions
        operator.builtinOptions = schema.SubOptionsT()
    tensors = [schema.TensorT(shape=[1, 4], type=0, buffer=0, name=name) for name in ("a", "b", "difference")]
    graph = schema.SubGraphT(tensors=tensors, inputs=[0, 1], outputs=[2], operators=[operator], name="main")
    code = schema.BuiltinOperator.SUB
    codes = [schema.OperatorCodeT(deprecatedBuiltinCode=code, builtinCode=code, version=1)]
    model = schema.ModelT(version=3, operatorCodes=codes, subgraphs=[graph], buffers=[schema.BufferT()])
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return str(path)


def run(path):
    interpreter = Interpreter(path)
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, np.full((1, 4), 5, np.float32))
    interpreter.set_tensor(1, np.array([[1, 2, 3, 4]], np.float32))
    interpreter.invoke()
    return interpreter.get_tensor(2).tolist()


def loads(path):
    try:
        openvino.Core().read_model(path)
    except RuntimeError as error:
        return str(error).strip().splitlines()[-1]
    return "loads"


print("OpenVINO", openvino.__version__, "LiteRT", version("ai-edge-litert"))
found = {}
for with_options in (True, False):
    path = subtraction(Path(sys.argv[1], f"{with_options}.tflite"), with_options)
    found[with_options] = run(path), loads(path)
    print("with" if with_options else "without", "options: LiteRT", *found[with_options][:1], "OpenVINO:", found[with_options][1])
assert found[True] == ([[4, 3, 2, 1]], "loads")
assert found[False][0] == [[4, 3, 2, 1]]
assert "not accessible" in found[False][1], "OpenVINO reads it now: this finding is out of date"
PY
"$work/venv/bin/python" "$work/show.py" "$work"

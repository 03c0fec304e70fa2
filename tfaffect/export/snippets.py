"""Code examples for an export: Python for every format, Kotlin and JavaScript for TFLite.

The tests run the Python examples. Kotlin: LiteRT's CompiledModel, https://ai.google.dev/edge/litert/next/android_kotlin;
it names the tensors, because the file has them in another order than the contract. JavaScript: @litertjs/core 2.5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfaffect.contract import Contract

FACE = """face = ImageOps.pad(Image.open("face.png").convert("RGB"), (SIZE, SIZE), Image.Resampling.BILINEAR)
image = np.asarray(face)[None]  # uint8 (1, SIZE, SIZE, 3)"""

GREY_FACE = 'np.asarray(face.convert("L").convert("RGB"))'
"""What stands in place of `np.asarray(face)` for a network of grey pictures."""

SHOW = """classes = json.loads(Path("model.json").read_text())["classes"]
print(classes[outputs["expression"][0].argmax()], outputs["valence"], outputs["arousal"])"""

LITERT = f"""import json
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image, ImageOps

{FACE}
outputs = Interpreter("model.tflite").get_signature_runner("classify")(image=image)
{SHOW}
"""

ONNX_RUNTIME = f"""import json
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

{FACE}
names = ["expression", "valence", "arousal"]
values = onnxruntime.InferenceSession("model.onnx").run(names, {{"image": image}})
outputs = dict(zip(names, values))
{SHOW}
"""

TENSORFLOW = f"""import json
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps

{FACE}
model = tf.saved_model.load(".")
outputs = {{name: values.numpy() for name, values in model.signatures["classify"](image=tf.constant(image)).items()}}
{SHOW}
"""

TFAFFECT = """from tfaffect import Embedder

embedder = Embedder(".")  # this folder
for row in embedder.rows("photo.jpg"):  # finds the faces, too
    print(row.top_class, row.expression, row.valence, row.arousal, row.embedding)
"""

KOTLIN = """// implementation("com.google.ai.edge.litert:litert:2.3.0")
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel

val model = CompiledModel.create(context.assets, "model.tflite", CompiledModel.Options(Accelerator.CPU))
val image = model.createInputBuffer("image", "classify")
val outputs = listOf("expression", "valence", "arousal").associateWith { model.createOutputBuffer(it, "classify") }
image.writeInt8(pixels)  // ByteArray of SIZE * SIZE * 3: red, green, blue of every pixel, row by row
model.run(mapOf("image" to image), outputs, "classify")
val probabilities = outputs.getValue("expression").readFloat()  // in the order of "classes" in model.json
"""

JAVASCRIPT = """// npm install @litertjs/core, and serve its folder wasm/
import { loadLiteRt, loadAndCompile, Tensor } from "@litertjs/core";
import { fixBatch } from "./fixed_batch.js"; // from tfaffect/demo/page/: LiteRT.js needs a batch size of 1

await loadLiteRt("wasm/");
const file = new Uint8Array(await (await fetch("model.tflite")).arrayBuffer());
fixBatch(file); // in place
const model = await loadAndCompile(file, { accelerator: "wasm" });
const image = new Tensor(pixels, [1, SIZE, SIZE, 3]); // Uint8Array: red, green, blue of every pixel, row by row
const outputs = await model.run("classify", { image });
const probabilities = await outputs.expression.data(); // in the order of "classes" in model.json
for (const tensor of [image, ...Object.values(outputs)]) tensor.delete();
"""

SNIPPETS = {
    "tflite": {
        "Python, LiteRT (`pip install ai-edge-litert pillow`)": ("python", LITERT),
        "Android, LiteRT": ("kotlin", KOTLIN),
        "Web, LiteRT.js": ("js", JAVASCRIPT),
    },
    "savedmodel": {"Python, TensorFlow (`pip install tensorflow pillow`)": ("python", TENSORFLOW)},
    "onnx": {"Python, ONNX Runtime (`pip install onnxruntime pillow`)": ("python", ONNX_RUNTIME)},
    "": {"Python, this project": ("python", TFAFFECT)},
}
"""Format ("" for a run) -> title -> (language, code)."""


def snippets(contract: Contract) -> dict[str, tuple[str, str]]:
    """Return the examples for the format in `contract.artefact`, or for a run: title -> (language, code).

    The format may have a suffix: "ONNX opset 17". An unknown format has no examples.
    """
    named = "".join(filter(str.isalnum, str((contract.artefact or {}).get("format", "")))).lower()
    fitting = next((known for known in SNIPPETS if known and named.startswith(known)), named)
    face = GREY_FACE if contract.colour == "grey" else "np.asarray(face)"
    return {
        title: (kind, code.replace("SIZE", str(contract.input_size)).replace("np.asarray(face)", face))
        for title, (kind, code) in SNIPPETS.get(fitting, {}).items()
    }

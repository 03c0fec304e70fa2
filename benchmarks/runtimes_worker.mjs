// Runs an ONNX file in ONNX Runtime's WebAssembly under node, for benchmarks/runtimes.py.
//
//     node runtimes_worker.mjs FILE FACES.npy SIZE OUTPUTS.json
//
// Prints one line of JSON, as runtimes_worker.py does. FACES.npy holds three faces, uint8 (3, size, size, 3).
import { readFileSync, writeFileSync } from "node:fs";
import * as ort from "onnxruntime-web";

const WARM_UP_CALLS = 5, TIMED_CALLS = 30;
const [path, facesFile, size, outputsFile] = process.argv.slice(2);
const faces = new Uint8Array(readFileSync(facesFile)).slice(-3 * size * size * 3);
ort.env.wasm.numThreads = 1;
const session = await ort.InferenceSession.create(new Uint8Array(readFileSync(path)), { executionProviders: ["wasm"] });
const [image] = session.inputNames;

function call(count) {
  const data = faces.slice(0, count * size * size * 3);
  return session.run({ [image]: new ort.Tensor("uint8", data, [count, +size, +size, 3]) });
}

const outputs = {};
for (const count of [1, 3]) {
  for (const [name, tensor] of Object.entries(await call(count))) {
    const values = Array.from(tensor.data, value => (Number.isNaN(value) ? null : value)); // JSON has no NaN
    outputs[`${count}|${name}`] = { shape: tensor.dims, values };
  }
}
writeFileSync(outputsFile, JSON.stringify(outputs));
const times = [];
for (let number = 0; number < WARM_UP_CALLS + TIMED_CALLS; number++) {
  const start = performance.now();
  await call(1);
  times.push(performance.now() - start);
}
const timed = times.slice(WARM_UP_CALLS).sort((left, right) => left - right);
console.log(JSON.stringify({ inputs: session.inputNames, milliseconds: timed[TIMED_CALLS / 2] }));

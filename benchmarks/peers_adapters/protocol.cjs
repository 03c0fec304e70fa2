// The child's side of the protocol, for peers that run in node. See protocol.py, which is the same for Python.
// It starts tfjs in WebAssembly with one thread: its native binding downloads a library when it is installed.

const fs = require("node:fs");
const path = require("node:path");
const { createRequire } = require("node:module");
const { performance } = require("node:perf_hooks");

const WARM_UP = 20;
const task = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const packages = path.join(task.environment, "node_modules");
const load = createRequire(path.join(packages, "file.js"));

/** Return the version of an installed package. */
function version(name) {
  return JSON.parse(fs.readFileSync(path.join(packages, name, "package.json"), "utf8")).version;
}

/** Start WebAssembly with one thread, and return tfjs. */
async function startTensorFlow() {
  const wasm = load("@tensorflow/tfjs-backend-wasm");
  const tf = load("@tensorflow/tfjs");
  wasm.setThreadsCount(1);
  wasm.setWasmPaths(path.join(packages, "@tensorflow/tfjs-backend-wasm/dist") + path.sep);
  await tf.setBackend("wasm");
  await tf.ready();
  return tf;
}

/** Read a .npy file of uint8 in C order: { shape, data }. */
function readArray(file) {
  const bytes = fs.readFileSync(file);
  const start = bytes[6] === 1 ? 10 : 12;
  const end = start + (bytes[6] === 1 ? bytes.readUInt16LE(8) : bytes.readUInt32LE(8));
  const header = bytes.toString("latin1", start, end);
  if (!header.includes("'|u1'") || !header.includes("'fortran_order': False")) {
    throw new Error(`${file} must hold uint8 in C order. Received: ${header.trim()}`);
  }
  const shape = header.match(/'shape': \(([^)]*)\)/)[1].split(",").filter((part) => part.trim()).map(Number);
  return { shape, data: new Uint8Array(bytes.buffer, bytes.byteOffset + end, bytes.length - end) };
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length ? (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2 : null;
}

async function classify(peer, tf) {
  const { shape, data } = readArray(task.faces);
  const size = shape[1] * shape[2] * 3;
  const face = (index) => tf.tensor3d(data.subarray(index * size, (index + 1) * size), shape.slice(1), "int32");
  const answer = async (index) => {
    const start = performance.now();
    const picture = face(index);
    const probabilities = await peer.predict(picture);
    picture.dispose();
    return [probabilities, performance.now() - start];
  };
  for (let index = 0; index < Math.min(WARM_UP, shape[0]); index += 1) await answer(index);
  const answers = [];
  for (let index = 0; index < shape[0]; index += 1) answers.push(await answer(index));
  return { answers: answers.map(([values]) => values), ms: median(answers.map(([, ms]) => ms)) };
}

async function search(peer, tf) {
  const found = [];
  const seconds = [];
  for (const file of [task.frames[0], ...task.frames]) { // the first one twice: it warms up
    const { shape, data } = readArray(file);
    const start = performance.now();
    const picture = tf.tensor3d(data, shape, "int32");
    found.push(await peer.find(picture));
    picture.dispose();
    seconds.push((performance.now() - start) / 1000);
  }
  return { boxes: found.slice(1), seconds: seconds.slice(1) };
}

/** Carry out the task with the peer that `make` returns, and write the reply. */
async function serve(make) {
  const tf = await startTensorFlow();
  const peer = await make(tf, task);
  const { classes, runtime } = peer;
  const result = await (task.kind === "faces" ? classify(peer, tf) : search(peer, tf));
  const memory = Number(fs.readFileSync("/proc/self/status", "utf8").match(/VmHWM:\s+(\d+)/)[1]) / 1024;
  fs.writeFileSync(task.reply, JSON.stringify({ classes, runtime, version: peer.version, memory, ...result }));
}

module.exports = { load, packages, serve, version };

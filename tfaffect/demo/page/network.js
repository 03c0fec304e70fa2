// The network in LiteRT: on the GPU when the browser has WebGPU and its outputs are right, else in WebAssembly.

import { loadAndCompile, loadLiteRt, Tensor, unloadLiteRt } from "/litert/index.js";

import { fixBatch } from "./fixed_batch.js";

/** @typedef {import("./contract.js").Contract} Contract */
/** The outputs for a face. @typedef {{expression: number[], affect: number[]}} Outputs */

const FOLDER = "/litert/";
const SIGNATURE = "classify";
const MOST_THREADS = 4; // with more threads a network of this size is not faster
const TOLERANCE = 1e-3; // largest allowed difference of outputs on the GPU

/**
 * Load a network.
 *
 * @param {Uint8Array} model Content of a .tflite; any batch size becomes 1 in it.
 * @param {Contract} contract
 * @returns {Promise<{network: Network, runtime: string}>} `runtime` names where it runs, for people.
 * @throws {Error} When network and contract do not match, or no runtime supports the network.
 */
export async function openNetwork(model, contract) {
  fixBatch(model);
  const onGraphics = await tryGraphics(model, contract);
  if (onGraphics) {
    return { network: onGraphics, runtime: "WebGPU" };
  }
  const threads = await loadWasm();
  const network = await Network.open(model, contract, { accelerator: "wasm", cpuOptions: { numThreads: threads } });
  return { network, runtime: threads > 1 ? `WebAssembly, ${threads} threads` : "WebAssembly, 1 thread" };
}

/** The number of threads: more than one needs shared memory, which needs the server's headers. */
export function countThreads() {
  return self.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency || 1, MOST_THREADS) : 1;
}

async function tryGraphics(model, contract) {
  if (!(await navigator.gpu?.requestAdapter())) {
    return null;
  }
  try {
    await loadVariant("Suspending" in WebAssembly ? { jspi: true } : {});
    const network = await Network.open(model, contract, { accelerator: "webgpu", gpuOptions: { precision: "fp32" } });
    const reference = await Network.open(model, contract, { accelerator: "wasm" });
    const agree = network.accelerator === "webgpu" && (await sayTheSame(network, reference, contract));
    reference.delete();
    if (agree) {
      return network;
    }
  } catch (error) {
    console.info("WebGPU does not support this network:", error.message);
  }
  unloadLiteRt();
  return null;
}

async function sayTheSame(network, reference, { inputSize }) {
  const pattern = Uint8Array.from({ length: 3 * inputSize ** 2 }, (_, place) => (place * 73) % 251);
  const [received, expected] = [await network.run(pattern), await reference.run(pattern)];
  const agree = (one, other) => Math.abs(one - other) <= TOLERANCE || (Number.isNaN(one) && Number.isNaN(other));
  return ["expression", "affect"].every((head) =>
    expected[head].every((value, place) => agree(value, received[head][place])),
  );
}

/** Load LiteRT's WebAssembly; return the number of threads. */
async function loadWasm() {
  const threads = countThreads();
  if (threads > 1) {
    try {
      await loadVariant({ threads: true });
      return threads;
    } catch (error) {
      console.info("No threads for the network:", error.message); // they need relaxed SIMD, which Safari lacks
    }
  }
  await loadVariant({});
  return 1;
}

async function loadVariant(options) {
  // LiteRT reads and clears this. In a worker its scripts cannot find their own address.
  self.Module = {
    locateFile: (name) => `${FOLDER}${name}`,
    mainScriptUrlOrBlob: `${FOLDER}litert_wasm_threaded_internal.js`,
    printErr: (line) => console.debug(line),
  };
  await loadLiteRt(FOLDER, options);
}

/** A compiled network. */
class Network {
  #model;
  #contract;

  constructor(model, contract) {
    this.#model = model;
    this.#contract = contract;
  }

  static async open(model, contract, options) {
    const network = new Network(await loadAndCompile(model, options), contract);
    const { shape, dtype } = network.#model.signatures[SIGNATURE].getInputDetails()[0];
    const { inputSize: size } = contract;
    if (String([...shape]) !== String([1, size, size, 3]) || dtype !== "uint8") {
      throw new Error(`model.tflite takes pictures ${dtype} [${[...shape]}]; its model.json says ${size}.`);
    }
    return network;
  }

  /** Where it runs: "webgpu" or "wasm". */
  get accelerator() {
    return this.#model.options.accelerator;
  }

  /**
   * Run the network on one face.
   *
   * @param {Uint8Array} pixels RGB, input size squared.
   * @returns {Promise<Outputs>} Probabilities in the order of the classes, affect in the order of its names.
   */
  async run(pixels) {
    const { inputSize, classes, affect } = this.#contract;
    const image = new Tensor(pixels, [1, inputSize, inputSize, 3]);
    const tensors = await this.#model.signatures[SIGNATURE].run({ image });
    image.delete();
    const values = {};
    for (const [name, tensor] of Object.entries(tensors)) {
      values[name] = Array.from(await tensor.data());
      tensor.delete();
    }
    if (values.expression?.length !== classes.length || !affect.every((name) => values[name]?.length === 1)) {
      throw new Error(`model.tflite has other outputs than its model.json says: ${Object.keys(values).join(", ")}.`);
    }
    return { expression: values.expression, affect: affect.map((name) => values[name][0]) };
  }

  /** Free its memory. */
  delete() {
    this.#model.delete();
  }
}

// The face detector: YuNet in ONNX Runtime. It finds the same faces as tfaffect/media/detector.py.

import * as onnxruntime from "/onnxruntime/ort.wasm.min.mjs";

import { scaleTo } from "./scaling.js";
import { MULTIPLE, readFaces } from "./yunet.js";

const MIN_SCORE = 0.6;
const SIDES = [640, 192]; // longest sides in pixels to which a picture is scaled, until a face is found
const QUICK_SIDE = 320; // longest side in a quick search for the largest faces
const QUICK_PIXELS = 32; // shortest side of a face that the quick search accepts: faces that it misses are smaller

/** @typedef {import("./resize.js").Picture} Picture */
/** @typedef {import("./yunet.js").Face} Face */

/** Finds faces. */
export class FaceDetector {
  #session;

  constructor(session) {
    this.#session = session;
  }

  /**
   * Load the detector.
   *
   * @param {Uint8Array} weights YuNet as ONNX.
   * @param {number} threads
   */
  static async open(weights, threads) {
    onnxruntime.env.wasm.wasmPaths = "/onnxruntime/";
    onnxruntime.env.wasm.numThreads = threads;
    return new FaceDetector(await onnxruntime.InferenceSession.create(weights, { executionProviders: ["wasm"] }));
  }

  /**
   * Find the faces in a picture, boxes in its pixels, the largest first.
   *
   * @param {Picture} picture
   * @param {number | null} most How many of the largest faces are needed, which allows a quick search; null for all.
   * @returns {Promise<Face[]>}
   */
  async find(picture, most = null) {
    if (most !== null) {
      const quick = await this.#findAt(picture, QUICK_SIDE);
      if (quick.length >= most && quick.slice(0, most).every((face) => isSure(face, picture))) {
        return quick;
      }
    }
    for (const side of SIDES) {
      const faces = await this.#findAt(picture, side);
      if (faces.length > 0) {
        return faces;
      }
    }
    return [];
  }

  async #findAt(picture, longest) {
    const scaled = scaleTo(picture, longest);
    const { tensor, width, height } = toInput(scaled);
    const input = new onnxruntime.Tensor("float32", tensor, [1, 3, height, width]);
    const outputs = await this.#session.run({ [this.#session.inputNames[0]]: input });
    const values = Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, data]));
    const [across, down] = [picture.width / scaled.width, picture.height / scaled.height];
    const faces = readFaces(values, width, height, MIN_SCORE).map(({ box: [left, top, right, bottom], score }) => ({
      box: [left * across, top * down, right * across, bottom * down],
      score,
    }));
    return faces.sort((a, b) => area(b) - area(a));
  }
}

/** Planes of blue, green and red from 0 to 255, padded with black below and at the right to complete cells. */
function toInput({ width, height, data }) {
  const [wide, tall] = [width, height].map((side) => MULTIPLE * Math.ceil(side / MULTIPLE));
  const tensor = new Float32Array(3 * wide * tall);
  for (let row = 0; row < height; row += 1) {
    for (let column = 0; column < width; column += 1) {
      const [from, to] = [4 * (row * width + column), row * wide + column];
      tensor[to] = data[from + 2];
      tensor[to + wide * tall] = data[from + 1];
      tensor[to + 2 * wide * tall] = data[from];
    }
  }
  return { tensor, width: wide, height: tall };
}

function area({ box: [left, top, right, bottom] }) {
  return (right - left) * (bottom - top);
}

/** Whether a face is so large that any missed face must be smaller. */
function isSure({ box: [left, top, right, bottom] }, { width, height }) {
  return (Math.min(right - left, bottom - top) * QUICK_SIDE) / Math.max(width, height) >= QUICK_PIXELS;
}

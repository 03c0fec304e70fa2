// Analyses pictures: finds faces and runs the network. This is the code that runs in the worker.

import { readContract } from "./contract.js";
import { FaceDetector } from "./detector.js";
import { cut, letterbox, square, toGrey } from "./letterbox.js";
import { countThreads, openNetwork } from "./network.js";
import { decode, toPixels } from "./picture.js";

/** @typedef {import("./contract.js").Contract} Contract */

/**
 * @typedef {object} Face
 * @property {number[] | null} box In pixels of the picture; null without detection.
 * @property {number | null} score Of the detector, from 0 to 1.
 * @property {number[]} expression Probabilities in the order of the classes; NaN when untrained.
 * @property {number[]} affect In the order of the contract's names; NaN when untrained.
 */

/**
 * @typedef {object} Analysis
 * @property {number} width Of the picture, in pixels.
 * @property {number} height
 * @property {Face[]} faces The largest first.
 * @property {{find: number | null, face: number}} milliseconds For finding the faces, null without detection; and for
 *   the network, per face.
 */

/** The network and the face detector. */
export class Analyst {
  #contract;
  #network;
  #detector;

  /**
   * Load the network and the detector.
   *
   * @returns {Promise<{contract: Contract, runtime: string}>} `runtime` names where the network runs, for people.
   */
  async open() {
    const [text, model, weights] = await Promise.all([
      load("/model/model.json").then((answer) => answer.text()),
      load("/model/model.tflite").then(toBytes),
      load("/model/detector.onnx").then(toBytes),
    ]);
    this.#contract = readContract(text);
    await checkWeights(model, this.#contract);
    const { network, runtime } = await openNetwork(model, this.#contract);
    this.#network = network;
    this.#detector = await FaceDetector.open(weights, countThreads());
    await this.#warmUp();
    return { contract: this.#contract, runtime };
  }

  /**
   * Analyse a picture.
   *
   * @param {Blob | ImageBitmap} picture
   * @param {{detect: boolean, most: number | null}} how `detect`: find faces, or treat the picture as a face crop.
   *   `most`: return only this many of the largest faces; null for all.
   * @returns {Promise<Analysis>}
   */
  async analyse(picture, { detect, most }) {
    const pixels = picture instanceof Blob ? await decode(picture) : toPixels(picture);
    const begun = performance.now();
    const found = detect ? await this.#find(pixels, most) : [{ box: null, score: null, crop: pixels }];
    const then = performance.now();
    const faces = [];
    for (const { box, score, crop } of found) {
      const framed = letterbox(crop, this.#contract.inputSize);
      const input = this.#contract.colour === "grey" ? toGrey(framed) : framed;
      faces.push({ box, score, ...(await this.#network.run(input)) });
    }
    const milliseconds = { find: detect ? then - begun : null, face: (performance.now() - then) / Math.max(faces.length, 1) };
    return { width: pixels.width, height: pixels.height, faces, milliseconds };
  }

  /** Warm up: the first run of each takes ten times as long as the others. */
  async #warmUp() {
    const blank = { width: 640, height: 480, data: new Uint8ClampedArray(4 * 640 * 480) };
    await this.#detector.find(blank, 1);
    await this.#network.run(letterbox(blank, this.#contract.inputSize));
  }

  async #find(pixels, most) {
    const faces = await this.#detector.find(pixels, most);
    const parts = faces.map((face) => ({ ...face, part: square(face.box, pixels, this.#contract.cropMargin) }));
    // At the border the detector completes partial faces, so a box may lie outside the picture.
    const shown = parts.filter(({ part }) => part !== null).slice(0, most ?? parts.length);
    return shown.map(({ box, score, part }) => ({ box, score, crop: cut(pixels, part) }));
  }
}

async function load(address) {
  const answer = await fetch(address).catch(() => null);
  if (!answer?.ok) {
    throw new Error(`The server does not answer for ${address}${answer ? "" : "; it may have stopped"}. Start it again.`);
  }
  return answer;
}

async function toBytes(answer) {
  return new Uint8Array(await answer.arrayBuffer());
}

async function checkWeights(model, { sha256 }) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", model));
  if (Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("") !== sha256) {
    throw new Error("model.tflite is not the model that its model.json names. Start the server again.");
  }
}

// The page's side of the worker: numbered requests, answers as promises.

/** @typedef {import("./contract.js").Contract} Contract */
/** @typedef {import("./analyst.js").Analysis} Analysis */

/** The analyst in its worker. */
export class RemoteAnalyst {
  #worker = new Worker("/worker.js");
  #waiting = new Map();
  #asked = 0;
  #ended = null; // the error, once the worker has stopped

  constructor() {
    this.#worker.addEventListener("message", ({ data: { number, answer, problem } }) => {
      const asked = this.#waiting.get(number);
      this.#waiting.delete(number);
      if (problem === undefined) {
        asked?.resolve(answer);
      } else {
        asked?.reject(new Error(problem));
      }
    });
    this.#worker.addEventListener("error", (event) => {
      const reason = event.message ?? "it could not be loaded";
      this.#ended = new Error(`The worker stopped: ${reason}. Load the page again.`);
      this.#waiting.forEach(({ reject }) => reject(this.#ended));
      this.#waiting.clear();
    });
  }

  /** Load the networks, see `Analyst.open`. @returns {Promise<{contract: Contract, runtime: string}>} */
  open() {
    return this.#ask("open", []);
  }

  /**
   * Analyse a picture, see `Analyst.analyse`. A bitmap is transferred and cannot be used again.
   *
   * @param {Blob | ImageBitmap} picture
   * @param {{detect: boolean, most: number | null}} how
   * @returns {Promise<Analysis>}
   */
  analyse(picture, how) {
    return this.#ask("analyse", [picture, how], picture instanceof ImageBitmap ? [picture] : []);
  }

  #ask(task, given, handedOver = []) {
    const number = (this.#asked += 1);
    return new Promise((resolve, reject) => {
      if (this.#ended) {
        reject(this.#ended);
        return;
      }
      this.#waiting.set(number, { resolve, reject });
      this.#worker.postMessage({ number, task, given }, handedOver);
    });
  }
}

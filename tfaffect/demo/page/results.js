// The results for a picture, in all views: boxes, bars, plane, figures, table, and text for screen readers.

import { Bars } from "./bars.js";
import { Plane } from "./plane.js";
import { Session } from "./session.js";
import { fully, shortly, title, topClass } from "./words.js";

/** @typedef {import("./contract.js").Contract} Contract */
/** @typedef {import("./analyst.js").Analysis} Analysis */
/** @typedef {import("./stage.js").Stage} Stage */

const $ = (id) => document.getElementById(id);

/** The part of the page that shows results. */
export class Results {
  #contract;
  #stage;
  #bars;
  #plane;
  #session;

  /**
   * @param {Contract} contract
   * @param {Stage} stage
   */
  constructor(contract, stage) {
    this.#contract = contract;
    this.#stage = stage;
    this.#bars = new Bars($("bars"), contract);
    this.#plane = new Plane($("plane"), contract);
    this.#session = new Session(contract);
    $("plane-title").textContent = title(contract.affect.join(" and "));
    $("about").textContent = contract.about;
    $("licence").textContent = contract.licence;
  }

  /**
   * Add the result to the table, the trail and the figures.
   *
   * @param {string} path Name of the picture's file, or of the source of a frame.
   * @param {Analysis} analysis
   * @param {number | null} rate Frames per second; null for a picture.
   */
  record(path, analysis, rate) {
    const { faces, milliseconds } = analysis;
    this.#session.add(new Date(), path, analysis);
    if (faces.length > 0) {
      this.#plane.add(this.#toPoint(faces[0]));
    }
    $("rate").textContent = rate === null ? "–" : `${rate.toFixed(1)} /s`;
    $("find").textContent = milliseconds.find === null ? "–" : `${milliseconds.find.toFixed(0)} ms`;
    $("face").textContent = faces.length > 0 ? `${milliseconds.face.toFixed(0)} ms` : "–";
    this.#count();
  }

  /** Add a picture that could not be analysed. @param {string} path @param {string} problem */
  recordProblem(path, problem) {
    this.#session.addProblem(new Date(), path, problem);
    this.#count();
  }

  /**
   * Show the faces of the picture on the stage.
   *
   * @param {Analysis} analysis
   * @param {number} chosen The face that the bars and the plane show.
   * @param {(place: number) => void} choose Called for the face that is pressed.
   */
  show(analysis, chosen, choose) {
    const { faces } = analysis;
    const boxes = faces.map((face, place) => ({
      box: face.box,
      label: place === chosen ? shortly(face, this.#contract) : String(place + 1),
      name: this.#name(analysis, place),
    }));
    this.#stage.setFaces(boxes.filter(({ box }) => box !== null), analysis, chosen, choose);
    this.#stage.setNote(faces.length > 0 ? null : "No face was found here");
    this.#bars.show(faces[chosen]?.expression ?? null);
    this.#plane.show(faces.length > 0 ? this.#toPoint(faces[chosen]) : null);
  }

  /** Announce the result to screen readers. @param {string} path @param {Analysis} analysis @param {number} chosen */
  summarise(path, analysis, chosen) {
    $("summary").textContent = `${path}: ${this.#name(analysis, chosen)}`;
  }

  /** Remove all results. */
  clear() {
    this.#session.clear();
    this.#plane.clear();
    this.#bars.show(null);
    ["rate", "find", "face"].forEach((id) => ($(id).textContent = "–"));
    this.#count();
    $("summary").textContent = "The session was cleared";
  }

  /** The table of the session. @returns {string} */
  toCSV() {
    return this.#session.toCSV();
  }

  #count() {
    $("rows").textContent = this.#session.length.toLocaleString("en");
    ["download", "clear"].forEach((id) => ($(id).disabled = this.#session.length === 0));
  }

  #name({ faces }, place) {
    return faces.length === 0
      ? "no face was found"
      : `Face ${place + 1} of ${faces.length}: ${fully(faces[place], this.#contract)}`;
  }

  #toPoint({ expression, affect }) {
    return { affect, top: topClass(expression, this.#contract) };
  }
}

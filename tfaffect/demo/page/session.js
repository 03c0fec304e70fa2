// The results since the page was opened, as a table with the same column names as that of `tfaffect embed`.

/** @typedef {import("./contract.js").Contract} Contract */
/** @typedef {import("./analyst.js").Analysis} Analysis */

const NO_FACE = "no face";
const BOX = ["box_left", "box_top", "box_right", "box_bottom"];

/** The rows of a session: one for each face, and one for each picture or frame without a face. */
export class Session {
  #contract;
  #rows = [];

  /** @param {Contract} contract */
  constructor(contract) {
    this.#contract = contract;
  }

  /** How many rows there are. */
  get length() {
    return this.#rows.length;
  }

  /**
   * Add the result for a picture or frame.
   *
   * @param {Date} time
   * @param {string} path Name of the picture's file, or of the source of a frame.
   * @param {Analysis} analysis
   */
  add(time, path, { faces }) {
    if (faces.length === 0) {
      this.addProblem(time, path, NO_FACE);
    }
    const { classes, knowsClasses } = this.#contract;
    faces.forEach(({ box, score, expression, affect }, face) => {
      const top = knowsClasses ? classes[expression.indexOf(Math.max(...expression))] : "";
      const numbers = [...(box ?? BOX.map(() => null)), score].map(toText);
      this.#rows.push([time.toISOString(), path, String(face), ...numbers, top, ...[...expression, ...affect].map(toText), ""]);
    });
  }

  /**
   * Add a picture that could not be analysed.
   *
   * @param {Date} time
   * @param {string} path
   * @param {string} problem Why.
   */
  addProblem(time, path, problem) {
    this.#rows.push([time.toISOString(), path, ...this.columns().slice(3).map(() => ""), problem]);
  }

  /** Remove all rows. */
  clear() {
    this.#rows = [];
  }

  /** The names of the columns. @returns {string[]} */
  columns() {
    const { classes, affect } = this.#contract;
    const probabilities = classes.map((name) => `expression_${name}`);
    return ["time", "path", "face", ...BOX, "detection_score", "expression", ...probabilities, ...affect, "problem"];
  }

  /** The table as CSV (RFC 4180); unknown values are empty. @returns {string} */
  toCSV() {
    return [this.columns(), ...this.#rows].map((row) => `${row.map(quote).join(",")}\r\n`).join("");
  }
}

/** Nine digits, enough to distinguish all 32-bit floats; empty for untrained outputs. */
function toText(value) {
  return value === null || Number.isNaN(value) ? "" : String(Number(value.toPrecision(9)));
}

function quote(field) {
  return /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}

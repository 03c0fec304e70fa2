// Reads the contract of the network, model.json: the only source of names, their order, sizes and ranges.

/** The name of a head. @typedef {"expression" | string} Head */

/**
 * @typedef {object} Contract
 * @property {number} inputSize Side of the square that the network takes, in pixels.
 * @property {"rgb" | "grey"} colour Whether the network takes colours, or pictures that are turned grey.
 * @property {number} cropMargin How far a crop reaches beyond the face box, as a share of its longer side.
 * @property {string[]} classes In the order of the network's probabilities.
 * @property {string[]} affect The two outputs besides the classes: horizontal axis, vertical axis.
 * @property {number[]} range Minimum and maximum of both.
 * @property {Record<string, string[]>} ends Names of the minimum and the maximum of each; may be empty.
 * @property {boolean} knowsClasses Whether the head for classes was trained.
 * @property {string[]} unknown Those of `affect` that were not trained.
 * @property {string} sha256 Of the .tflite.
 * @property {string} about The training data and the accuracy, for people.
 * @property {string} licence
 */

/**
 * Read the text of a model.json.
 *
 * @param {string} text
 * @returns {Contract}
 * @throws {Error} For another version, or an incomplete file.
 */
export function readContract(text) {
  const given = JSON.parse(text);
  if (given.format_version !== 1) {
    throw new Error(`model.json has format_version ${given.format_version}; this page reads 1. Export the model again.`);
  }
  const isComplete =
    given.input_size > 0 && given.crop_margin >= 0 && given.classes?.length > 0 && given.affect?.length === 2;
  if (!isComplete || !Array.isArray(given.trained) || given.input?.dtype !== "uint8" || given.input?.colour !== "RGB") {
    throw new Error("model.json is incomplete, or needs an input that this page does not support. Export the model again.");
  }
  const colour = given.colour ?? "rgb"; // files of earlier versions do not state it
  if (!["rgb", "grey"].includes(colour)) {
    throw new Error(`model.json has the colour ${colour}; this page knows rgb and grey. Export the model again.`);
  }
  return {
    inputSize: given.input_size,
    colour,
    cropMargin: given.crop_margin,
    classes: given.classes,
    affect: given.affect,
    range: given.affect_range ?? [-1, 1],
    ends: Object.fromEntries(given.affect.map((name) => [name, readEnds(given.outputs?.[name])])),
    knowsClasses: given.trained.includes("expression"),
    unknown: given.affect.filter((name) => !given.trained.includes(name)),
    sha256: given.weights_sha256,
    about: describe(given),
    licence: given.licence ?? "",
  };
}

/** Read both ends from a text like "low to high, NaN when ...". */
function readEnds(meaning = "") {
  const ends = meaning.split(",")[0].split(" to ");
  return ends.length === 2 ? ends : [];
}

function describe({ corpora = {}, input_size: size, scores }) {
  const learned = Object.entries(corpora).map(([name, version]) => `${name} ${version}`);
  const source = learned.length > 0 ? `trained on ${learned.join(", ")}` : "trained on unknown corpora";
  const accuracy = scores?.expression?.accuracy?.value;
  const right = Number.isFinite(accuracy) ? `; right for ${(100 * accuracy).toFixed(1)} % of faces` : "";
  const where = right && scores.protocol?.split ? ` of ${scores.protocol["evaluated on"]}, ${scores.protocol.split}` : "";
  return `A network for faces of ${size} × ${size} pixels, ${source}${right}${where}.`;
}

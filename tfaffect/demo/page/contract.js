// What the network promises: model.json. Names, their order, sizes and ranges come from here and stand nowhere else.

/** The heads by what they give. @typedef {"expression" | string} Head */

/**
 * @typedef {object} Contract
 * @property {number} inputSize Side of the square that the network takes, in pixels.
 * @property {number} cropMargin How far a crop reaches beyond the face box, as a share of its longer side.
 * @property {string[]} classes In the order of the network's probabilities.
 * @property {string[]} affect The two outputs beside the classes: the horizontal, the vertical.
 * @property {number[]} range Least and greatest value of both.
 * @property {Record<string, string[]>} ends What the least and the greatest value of each are called; may be empty.
 * @property {boolean} knowsClasses Whether the classes were learned from labels.
 * @property {string[]} unknown Which of `affect` were not.
 * @property {string} sha256 Of the .tflite.
 * @property {string} about What the network learned from, for people.
 * @property {string} licence
 */

/**
 * Read the text of a model.json.
 *
 * @param {string} text
 * @returns {Contract}
 * @throws {Error} For one of another version, or that is not whole.
 */
export function readContract(text) {
  const given = JSON.parse(text);
  if (given.format_version !== 1) {
    throw new Error(`model.json has format_version ${given.format_version}; this page reads 1. Export the model again.`);
  }
  const whole =
    given.input_size > 0 && given.crop_margin >= 0 && given.classes?.length > 0 && given.affect?.length === 2;
  if (!whole || !Array.isArray(given.trained) || given.input?.dtype !== "uint8" || given.input?.colour !== "RGB") {
    throw new Error("model.json lacks what this page needs, or asks for another input. Export the model again.");
  }
  return {
    inputSize: given.input_size,
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

/** "unpleasant to pleasant, NaN when ..." names both ends. */
function readEnds(meaning = "") {
  const ends = meaning.split(",")[0].split(" to ");
  return ends.length === 2 ? ends : [];
}

function describe({ corpora = {}, input_size: size, scores }) {
  const learned = Object.entries(corpora).map(([name, version]) => `${name} ${version}`);
  const source = learned.length > 0 ? `trained on ${learned.join(", ")}` : "trained on corpora that it does not name";
  const accuracy = scores?.expression?.accuracy?.value;
  const right = Number.isFinite(accuracy) ? `; right for ${(100 * accuracy).toFixed(1)} % of faces` : "";
  const where = right && scores.protocol?.split ? ` of ${scores.protocol["evaluated on"]}, ${scores.protocol.split}` : "";
  return `A network for faces of ${size} × ${size} pixels, ${source}${right}${where}.`;
}

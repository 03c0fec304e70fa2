// Decodes YuNet's outputs as OpenCV's FaceDetectorYN does: one candidate per cell of three grids, then non-maximum
// suppression.

const STRIDES = [8, 16, 32];
const MOST_OVERLAP = 0.3;

/** Both sides of YuNet's input are a multiple of this, in pixels. */
export const MULTIPLE = 32;

/** A face in pixels of the picture that was searched. @typedef {{box: number[], score: number}} Face */

/**
 * Read YuNet's outputs.
 *
 * @param {Record<string, Float32Array>} outputs `cls_8`, `obj_8`, `bbox_8` and the same of 16 and 32: of each cell, row
 *   by row, two scores and a box (centre from the cell's corner, logarithm of width and height; in strides).
 * @param {number} width Of the input, in pixels.
 * @param {number} height Of the input, in pixels.
 * @param {number} minScore From 0 to 1.
 * @returns {Face[]} The highest score first.
 */
export function readFaces(outputs, width, height, minScore) {
  const guesses = STRIDES.flatMap((stride) => readGrid(outputs, stride, width / stride, height / stride, minScore));
  return guesses.length > 1 ? keepSurest(guesses, minScore) : guesses;
}

function readGrid(outputs, stride, columns, rows, minScore) {
  const [classes, objects, boxes] = ["cls", "obj", "bbox"].map((name) => outputs[`${name}_${stride}`]);
  const faces = [];
  for (let cell = 0; cell < columns * rows; cell += 1) {
    const score = Math.fround(Math.sqrt(Math.fround(clamp(classes[cell]) * clamp(objects[cell]))));
    if (score >= Math.fround(minScore)) {
      const [x, y, logWidth, logHeight] = boxes.subarray(4 * cell, 4 * cell + 4);
      const [width, height] = [stride * Math.exp(logWidth), stride * Math.exp(logHeight)];
      const left = ((cell % columns) + x) * stride - width / 2;
      const top = (Math.floor(cell / columns) + y) * stride - height / 2;
      faces.push({ box: [left, top, left + width, top + height], score });
    }
  }
  return faces;
}

function clamp(score) {
  return Math.min(Math.max(score, 0), 1);
}

/** Non-maximum suppression: of overlapping faces keep the one with the highest score. */
function keepSurest(faces, minScore) {
  const kept = [];
  for (const face of faces.filter(({ score }) => score > Math.fround(minScore)).sort((a, b) => b.score - a.score)) {
    if (kept.every((other) => overlap(face.box, other.box) <= MOST_OVERLAP)) {
      kept.push(face);
    }
  }
  return kept;
}

/** Intersection over union, in whole pixels, as OpenCV compares boxes. */
function overlap(one, other) {
  const [a, b] = [one, other].map(([left, top, right, bottom]) => {
    const [x, y] = [Math.trunc(left), Math.trunc(top)];
    return { x, y, right: x + Math.trunc(right - left), bottom: y + Math.trunc(bottom - top) };
  });
  const wide = Math.min(a.right, b.right) - Math.max(a.x, b.x);
  const tall = Math.min(a.bottom, b.bottom) - Math.max(a.y, b.y);
  const common = wide > 0 && tall > 0 ? wide * tall : 0;
  const areas = (a.right - a.x) * (a.bottom - a.y) + (b.right - b.x) * (b.bottom - b.y);
  return areas > 0 ? common / (areas - common) : 0;
}

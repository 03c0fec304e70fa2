// Scales the picture for the face detector with OpenCV's filters, so that it finds the same boxes as in Python.

import { roundHalfEven } from "./rounding.js";

/** @typedef {import("./resize.js").Picture} Picture */

/**
 * Scale a picture to a length of its longest side: area interpolation when it shrinks, else bilinear.
 *
 * OpenCV 5.0 rounds some ties and ends of rows in another way: less than 1 of 30 bytes differs, by 1.
 *
 * @param {Picture} picture
 * @param {number} longest In pixels.
 * @returns {Picture}
 */
export function scaleTo(picture, longest) {
  const scale = longest / Math.max(picture.width, picture.height);
  const [width, height] = [picture.width, picture.height].map((side) => Math.max(1, roundHalfEven(side * scale)));
  if (width === picture.width && height === picture.height) {
    return picture;
  }
  return scale < 1 ? byAreas(picture, width, height) : bilinearly(picture, width, height);
}

/** The source pixels under each new pixel of a line, and the share that each covers. */
function shares(from, to) {
  const scale = from / to;
  return Array.from({ length: to }, (_, place) => {
    const [begin, end] = [place * scale, Math.min((place + 1) * scale, from)];
    const [first, last] = [Math.floor(begin + 1e-3), Math.ceil(end - 1e-3)]; // parts below a thousandth are ignored
    const part = (pixel) => (Math.min(end, pixel + 1) - Math.max(begin, pixel)) / (end - begin);
    return { first, covered: Float64Array.from({ length: last - first }, (_, step) => part(first + step)) };
  });
}

function byAreas({ width: from, height: rows, data }, width, height) {
  const scaled = new Uint8ClampedArray(4 * width * height).fill(255);
  const round = from === 2 * width && rows === 2 * height ? Math.round : roundHalfEven; // as in OpenCV: halves are rounded up at 2 : 1
  const across = shares(from, width);
  shares(rows, height).forEach(({ first: top, covered }, row) => {
    const sums = new Float64Array(3 * width);
    covered.forEach((tall, step) => addRow(data, 4 * (top + step) * from, across, tall, sums));
    for (let column = 0; column < width; column += 1) {
      for (let channel = 0; channel < 3; channel += 1) {
        scaled[4 * (row * width + column) + channel] = round(sums[3 * column + channel]);
      }
    }
  });
  return { width, height, data: scaled };
}

/** Add a row of pixels from `begin`, weighted by share and `tall`, to the three sums of each new pixel. */
function addRow(data, begin, across, tall, sums) {
  for (let column = 0; column < across.length; column += 1) {
    const { first, covered } = across[column];
    for (let step = 0, place = begin + 4 * first; step < covered.length; step += 1, place += 4) {
      const share = tall * covered[step];
      sums[3 * column] += share * data[place];
      sums[3 * column + 1] += share * data[place + 1];
      sums[3 * column + 2] += share * data[place + 2];
    }
  }
}

/** For each new pixel of a line: the source pixels at its left and right, and their weights, which sum to 2,048. */
function neighbours(from, to) {
  return Array.from({ length: to }, (_, place) => {
    const position = Math.min(Math.max(Math.fround((place + 0.5) * (from / to) - 0.5), 0), from - 1);
    const left = Math.floor(position);
    const weight = roundHalfEven(2048 * (position - left));
    return { left, right: Math.min(left + 1, from - 1), weights: [2048 - weight, weight] };
  });
}

function bilinearly({ width: from, height: rows, data }, width, height) {
  const scaled = new Uint8ClampedArray(4 * width * height).fill(255);
  const across = neighbours(from, width);
  const blend = (row, { left, right, weights: [near, far] }, channel) =>
    data[4 * (row * from + left) + channel] * near + data[4 * (row * from + right) + channel] * far;
  neighbours(rows, height).forEach(({ left: upper, right: lower, weights: [near, far] }, row) => {
    across.forEach((pixel, column) => {
      for (let channel = 0; channel < 3; channel += 1) {
        // The same steps as OpenCV's vector code, which drops bits in between.
        const above = ((blend(upper, pixel, channel) >> 4) * near) >> 16;
        const below = ((blend(lower, pixel, channel) >> 4) * far) >> 16;
        scaled[4 * (row * width + column) + channel] = (above + below + 2) >> 2;
      }
    });
  });
  return { width, height, data: scaled };
}

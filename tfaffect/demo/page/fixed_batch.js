// A .tflite for any number of pictures becomes one for a single picture: LiteRT.js 2.5 refuses to run one picture where
// the file says "any number", and WebGPU wants sizes that are known.

// Places in the tables of TFLite's schema (schema.fbs): Model.subgraphs, SubGraph.tensors, Tensor's two shapes.
const SUBGRAPHS = 2;
const TENSORS = 0;
const SHAPE = 0;
const SHAPE_SIGNATURE = 7;

/**
 * Give every size that the file leaves open the one that stands beside it, which is 1 of a batch, in place.
 *
 * @param {Uint8Array} model Content of a .tflite, a FlatBuffer.
 * @returns {number} How many sizes were open.
 */
export function fixBatch(model) {
  const view = new DataView(model.buffer, model.byteOffset, model.byteLength);
  let fixed = 0;
  for (const graph of tables(view, field(view, view.getUint32(0, true), SUBGRAPHS))) {
    for (const tensor of tables(view, field(view, graph, TENSORS))) {
      const [shape, signature] = [field(view, tensor, SHAPE), field(view, tensor, SHAPE_SIGNATURE)].map((place) =>
        place ? follow(view, place) : 0,
      );
      const rank = signature ? view.getUint32(signature, true) : 0;
      for (let axis = 1; axis <= rank; axis += 1) {
        if (view.getInt32(signature + 4 * axis, true) === -1) {
          view.setInt32(signature + 4 * axis, view.getInt32(shape + 4 * axis, true), true);
          fixed += 1;
        }
      }
    }
  }
  return fixed;
}

/** The place that an offset leads to. */
function follow(view, place) {
  return place + view.getUint32(place, true);
}

/** The place of a field of the table at `table`; 0 where the table leaves it out. */
function field(view, table, number) {
  const offsets = table - view.getInt32(table, true);
  const entry = 4 + 2 * number;
  const offset = entry < view.getUint16(offsets, true) ? view.getUint16(offsets + entry, true) : 0;
  return offset ? table + offset : 0;
}

/** The places of the tables in the vector that `place` leads to. */
function* tables(view, place) {
  const vector = place ? follow(view, place) : 0;
  const length = vector ? view.getUint32(vector, true) : 0;
  for (let number = 1; number <= length; number += 1) {
    yield follow(view, vector + 4 * number);
  }
}

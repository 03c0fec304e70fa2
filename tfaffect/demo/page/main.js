// The page: user actions become requests to the analyst, and its answers become results.

import { Camera } from "./camera.js";
import { Messages } from "./messages.js";
import { Rate } from "./rate.js";
import { RemoteAnalyst } from "./remote.js";
import { Results } from "./results.js";
import { Stage } from "./stage.js";
import { Strip } from "./strip.js";

const CAMERA = "camera";
const BETWEEN_SUMMARIES = 5000; // milliseconds: a screen reader must finish one before the next comes

const $ = (id) => document.getElementById(id);
const analyst = new RemoteAnalyst();
const camera = new Camera();
const messages = new Messages($("messages"));
const stage = new Stage($("stage"));
const strip = new Strip($("strip"), press);
const opened = open();
let pictures = noPictures(); // the queue of pictures; a new object cancels the old queue

function noPictures() {
  stage.setBusy(false);
  return { work: Promise.resolve(), left: 0 };
}

/** Load the network. @returns {Promise<Results | null>} */
async function open() {
  try {
    const { contract, runtime } = await analyst.open();
    $("runtime").textContent = `Runs in ${runtime}`;
    return new Results(contract, stage);
  } catch (error) {
    messages.say(error.message);
    $("runtime").textContent = "Not running";
    ["choose", "camera", "crops"].forEach((id) => ($(id).disabled = true));
    pictures = noPictures();
    return null;
  }
}

function lookAt(files) {
  stopCamera();
  if (files.length === 0) {
    messages.say("This contains no file. Save the picture first, then drop its file here.");
  }
  const ours = pictures;
  ours.left += files.length;
  stage.setBusy(ours.left > 0);
  files.forEach((file) => (ours.work = ours.work.then(() => lookAtFile(file, ours))));
}

async function lookAtFile(file, ours) {
  const results = await opened;
  if (!results) {
    messages.say("The network is not running, so no picture can be analysed. Load the page again.");
  } else if (ours === pictures) {
    await present(results, file, ours);
  }
  ours.left -= 1;
  if (ours === pictures) {
    stage.setBusy(ours.left > 0);
  }
}

/** Analyse a file and show the result, unless the queue was cancelled. */
async function present(results, file, ours) {
  try {
    const analysis = await analyst.analyse(file, { detect: !$("crops").checked, most: null });
    const image = Object.assign(new Image(), { src: URL.createObjectURL(file), alt: file.name });
    await image.decode();
    if (ours === pictures) {
      const item = { name: file.name, image, analysis, chosen: 0 };
      results.record(file.name, analysis, null);
      release(strip.add(item));
      show(results, item);
    }
  } catch (error) {
    messages.say(`${file.name}: ${error.message}`);
    results.recordProblem(file.name, error.message);
  }
}

/** Show a picture that was analysed. */
function show(results, item) {
  const { analysis, image, name, chosen } = item;
  const choose = (place) => {
    item.chosen = place;
    show(results, item);
  };
  strip.mark(item);
  stage.show(image, analysis.width / analysis.height, false);
  results.show(analysis, chosen, choose);
  results.summarise(name, analysis, chosen);
}

async function press(item) {
  stopCamera();
  show(await opened, item);
}

async function startCamera() {
  messages.clear();
  pictures = noPictures();
  const results = await opened;
  stage.setNote("The browser asks whether this page may use the camera");
  try {
    const video = results && (await camera.start());
    if (video) {
      $("camera").textContent = "Stop camera";
      strip.mark(null);
      stage.setNote(null);
      stage.show(video, video.videoWidth / video.videoHeight, true);
      await follow(results);
    }
  } catch (error) {
    stopCamera();
    messages.say(error.message);
  }
}

/** Analyse frames until the camera stops. */
async function follow(results) {
  const rate = new Rate();
  let summarised = -Infinity;
  for await (const frame of camera.frames()) {
    const analysis = await analyst.analyse(frame, { detect: !$("crops").checked, most: 1 });
    if (!camera.running) {
      return;
    }
    const now = performance.now();
    results.record(CAMERA, analysis, rate.tick(now));
    results.show(analysis, 0, () => {});
    if (now - summarised > BETWEEN_SUMMARIES) {
      results.summarise(CAMERA, analysis, 0);
      summarised = now;
    }
  }
  if (camera.running) {
    throw new Error("The camera stopped. Connect it again, then press the button.");
  }
}

function stopCamera() {
  messages.clear();
  if (camera.running) {
    stage.clear();
  }
  camera.stop();
  $("camera").textContent = "Use camera";
}

async function clear() {
  stopCamera();
  pictures = noPictures();
  strip.clear().forEach(release);
  stage.clear();
  (await opened).clear();
  $("choose").focus();
}

/** Free the memory of a picture that was removed. */
function release(item) {
  if (item) {
    URL.revokeObjectURL(item.image.src);
  }
}

async function download() {
  const address = URL.createObjectURL(new Blob([(await opened).toCSV()], { type: "text/csv" }));
  const name = `tfaffect-${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}.csv`;
  Object.assign(document.createElement("a"), { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

$("choose").addEventListener("click", () => $("files").click());
$("files").addEventListener("change", ({ target }) => {
  lookAt([...target.files]);
  target.value = ""; // so that the same file can be chosen again
});
$("camera").addEventListener("click", () => (camera.running ? stopCamera() : startCamera()));
$("download").addEventListener("click", download);
$("clear").addEventListener("click", clear);
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  $("stage").classList.add("aimed");
});
["dragleave", "drop"].forEach((kind) => document.addEventListener(kind, () => $("stage").classList.remove("aimed")));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  lookAt([...event.dataTransfer.files]);
});

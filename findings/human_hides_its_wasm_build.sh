#!/usr/bin/env bash
# One would guess: @vladmandic/human's build for node with WebAssembly loads by the path that its package.json exports.
# What happens: the keys of `exports` lack the leading "./", so node reads them as conditions and hides every path; only
# the build that needs tfjs-node is left. Why it matters: tfjs-node downloads a library when it is installed, so on a
# machine without that download no documented import works; a path to the file does.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
echo '{}' > package.json
npm install --silent --ignore-scripts --no-audit --no-fund @vladmandic/human@3.3.6
cat > show.js <<'JS'
const assert = require("node:assert");
const fs = require("node:fs");
const path = require("node:path");

const folder = path.join(__dirname, "node_modules/@vladmandic/human");
const { version, exports: mapped } = JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8"));
const file = "dist/human.node-wasm.js";
const resolve = (name) => {
  try {
    return path.relative(__dirname, require.resolve(name));
  } catch (error) {
    return error.code;
  }
};
const found = {
  named: resolve(`@vladmandic/human/${file}`),
  package: resolve("@vladmandic/human"),
  file: resolve(path.join(folder, file)),
};
console.log(`@vladmandic/human ${version}, node ${process.versions.node}, exports["${file}"]: ${mapped[file]}`);
console.log(found);
assert.equal(mapped[file], `./${file}`);
assert.equal(found.file, `node_modules/@vladmandic/human/${file}`);
assert.equal(found.package, "node_modules/@vladmandic/human/dist/human.node.js");
assert.equal(found.named, "ERR_PACKAGE_PATH_NOT_EXPORTED", "the path is exported now: this finding is out of date");
JS
node show.js

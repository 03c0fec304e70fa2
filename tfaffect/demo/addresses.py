"""What the server hands out: every address and the file behind it, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tfaffect.contract import MEMBER, check_weights, read
from tfaffect.errors import UsageError
from tfaffect.media.detector import find_weights

FILE = "model.tflite"
HERE = Path(__file__).parent
PAGE, PACKAGES = HERE / "page", HERE / "node_modules"

KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".wasm": "application/wasm",
    ".tflite": "application/octet-stream",
    ".onnx": "application/octet-stream",
}
"""Types by suffix; a browser runs no module and compiles no WASM under another."""

LITERT, ONNX_RUNTIME = "@litertjs/core", "onnxruntime-web"
FROM_PACKAGES = {
    "/litert/index.js": f"{LITERT}/dist/index.js",
    "/litert/wasm-utils.js": "@litertjs/wasm-utils/dist/index.js",
    **{
        f"/litert/litert_wasm{variant}_internal.{suffix}": f"{LITERT}/wasm/litert_wasm{variant}_internal.{suffix}"
        for variant in ("", "_compat", "_jspi", "_threaded")
        for suffix in ("js", "wasm")
    },
    **{
        f"/onnxruntime/{name}": f"{ONNX_RUNTIME}/dist/{name}"
        for name in ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
    },
}
"""Addresses of the files of npm's packages. The page loads those it needs of LiteRT's four variants."""

REPLACED = {"/litert/index.js": (b'from "@litertjs/wasm-utils"', b'from "./wasm-utils.js"')}
"""What is handed out otherwise than it is written: LiteRT names its other half by a bare word. An import map would tell
the browser where that is, but only for the page, and the network runs in a worker."""


@dataclass(frozen=True)
class File:
    """A file that may be handed out, its MIME type, and bytes in it that are replaced by others."""

    path: Path
    kind: str
    replaced: tuple[bytes, bytes] | None = None

    def read(self) -> bytes:
        """Return what is handed out. Raises OSError for a file that is gone."""
        content = self.path.read_bytes()
        return content.replace(*self.replaced) if self.replaced else content


def find_files(model_folder: Path, face_detector: Path | None = None) -> dict[str, File]:
    """Return all files by their address.

    model_folder: with model.tflite and model.json; face_detector: see `find_weights`. Raises UsageError for a model
    that is not the one its contract speaks of, without the packages of npm, and for files that lead out of their
    folders.
    """
    found = {f"/{path.name}": path for path in sorted(PAGE.iterdir()) if path.suffix in KINDS}
    found["/"] = found.pop("/index.html")
    found |= _model_files(Path(model_folder)) | _package_files()
    found["/model/detector.onnx"] = find_weights(face_detector)
    return {address: File(path, KINDS[path.suffix], REPLACED.get(address)) for address, path in found.items()}


def _package_files() -> dict[str, Path]:
    found = {address: PACKAGES / name for address, name in FROM_PACKAGES.items()}
    missing = [str(path.relative_to(PACKAGES)) for path in found.values() if not path.is_file()]
    advice = f"With Node.js 20 or later, run: npm ci --prefix {HERE}"
    if missing:
        raise UsageError(f"{PACKAGES} has no {missing[0]}, which the page needs. {advice}")
    for address, (written, _) in REPLACED.items():
        if found[address].read_bytes().count(written) != 1:
            raise UsageError(f"{found[address]} is of another version than this page was written for. {advice}")
    return {address: _inside(PACKAGES, path) for address, path in found.items()}


def _model_files(folder: Path) -> dict[str, Path]:
    if not (folder / FILE).is_file():
        raise UsageError(f"There is no {FILE} in {folder}. Write one there: python -m export.tflite RUN {folder}")
    check_weights(folder / FILE, read(folder))
    return {f"/model/{name}": _inside(folder, folder / name) for name in (FILE, MEMBER)}


def _inside(folder: Path, path: Path) -> Path:
    """Return a path without links. Raises UsageError when it leads out of its folder."""
    real = path.resolve()
    if not real.is_relative_to(folder.resolve()):
        raise UsageError(
            f"{path} leads out of {folder}, to {real}. Only files in that folder are served: copy it there."
        )
    return real

"""All addresses that the server answers, with their files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tfaffect import cli
from tfaffect.contract import MEMBER, check_weights, read
from tfaffect.errors import UsageError
from tfaffect.media.detector import find_weights
from tfaffect.runtimes import shipped

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
"""MIME types by suffix; a browser runs modules and WASM only with the right type."""

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
"""Addresses of files in npm packages. The page loads one of LiteRT's four variants."""

REPLACED = {"/litert/index.js": (b'from "@litertjs/wasm-utils"', b'from "./wasm-utils.js"')}
"""Bytes to replace in a file: LiteRT imports its other package by a bare name. An import map would tell the browser
the address, but it works only for the page, and the network runs in a worker."""


@dataclass(frozen=True)
class File:
    """A file that may be served, its MIME type, and bytes to replace: (old, new)."""

    path: Path
    kind: str
    replaced: tuple[bytes, bytes] | None = None

    def read(self) -> bytes:
        """Return the content to send. Raises OSError when the file no longer exists."""
        content = self.path.read_bytes()
        return content.replace(*self.replaced) if self.replaced else content


def find_files(model_folder: Path, face_detector: Path | None = None) -> dict[str, File]:
    """Return address -> file.

    model_folder: with model.tflite and model.json; face_detector: see `find_weights`. Raises UsageError when model and
    contract do not match, when npm packages are missing, and for a link to a file outside its folder.
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
    for address, (old, _) in REPLACED.items():
        if found[address].read_bytes().count(old) != 1:
            raise UsageError(f"{found[address]} has another version than this page needs. {advice}")
    return {address: _inside(PACKAGES, path) for address, path in found.items()}


def _model_files(folder: Path) -> dict[str, Path]:
    if (folder / "config.json").is_file():
        export, demo = cli.typed(f"export tflite {folder} OUT"), cli.typed("demo OUT")
        raise UsageError(f"{folder} is a run: first `{export}`, then `{demo}`.")
    if not (folder / FILE).is_file():
        raise UsageError(
            f"There is no {FILE} in {folder}. Write one: {cli.typed('export tflite')} RUN {folder}\n"
            f"Or name {shipped.LISTED}."
        )
    check_weights(folder / FILE, read(folder))
    return {f"/model/{name}": _inside(folder, folder / name) for name in (FILE, MEMBER)}


def _inside(folder: Path, path: Path) -> Path:
    """Return a path with links resolved. Raises UsageError when it is outside its folder."""
    real = path.resolve()
    if not real.is_relative_to(folder.resolve()):
        raise UsageError(f"{path} is a link to {real}, outside {folder}. Only files inside are served: copy it there.")
    return real

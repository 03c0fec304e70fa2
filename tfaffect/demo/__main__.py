"""The command `tfaffect demo`: serve the page that runs a `.tflite` in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from tfaffect import cli


def main(
    model_folder: Annotated[tyro.conf.Positional[Path | None], cli.option("[OUT]", "the shipped model")] = None,
    port: int = 8000,
    face_detector: cli.FaceDetector = None,
) -> None:
    """Serve a page that runs a model in the browser; no picture leaves the browser.

    tfaffect export tflite RUN OUT && tfaffect demo OUT

    Args:
        model_folder: Folder of `tfaffect export tflite`, with model.tflite and model.json. Or a name of
            `tfaffect models`.
        port: Port on this machine; 0 for any free port. The server accepts no other machines.
        face_detector: Weights of the face detector YuNet.
    """
    from tfaffect.demo.addresses import find_files
    from tfaffect.demo.server import open_server
    from tfaffect.runtimes import shipped

    model_folder = shipped.find(model_folder) if model_folder else shipped.default_model()
    with open_server(find_files(model_folder, face_detector), port) as server:
        print(f"http://localhost:{server.server_port} shows {model_folder}. Press Ctrl-C to stop.", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    cli.run(main)

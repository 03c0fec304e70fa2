"""Serve the page that runs a `.tflite` in the browser: python -m demo [MODEL_FOLDER]."""

from __future__ import annotations

from pathlib import Path

import tyro

from tfaffect import cli

# What reads pictures and models is imported where it is used: --help answers within half a second.


def main(
    model_folder: tyro.conf.Positional[Path | None] = None,
    port: int = 8000,
    face_detector: Path | None = None,
) -> None:
    """Serve a page that shows what a network says of faces; no picture leaves the browser.

    python -m export.tflite RUN OUT && python -m demo OUT

    Args:
        model_folder: Folder that export.tflite wrote, with model.tflite and model.json; the shipped one when not given.
        port: Port on this machine; 0 for any that is free. Other machines are not answered.
        face_detector: Weights of YuNet; TFAFFECT_FACE_DETECTOR when not given, else downloaded once.
    """
    from tfaffect.demo.addresses import find_files
    from tfaffect.demo.server import open_server
    from tfaffect.runtimes.shipped import default_model

    model_folder = model_folder or default_model()
    with open_server(find_files(model_folder, face_detector), port) as server:
        print(f"http://localhost:{server.server_port} shows {model_folder}; Ctrl-C ends it.", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    cli.run(main)

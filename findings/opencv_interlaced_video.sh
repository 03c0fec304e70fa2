#!/usr/bin/env bash
# One would guess: OpenCV shows an interlaced video combed, or reports frames that it cannot convert.
# What happens: read() says True for every frame and the picture was never written: black, or whatever was in the buffer.
# Why it matters: camcorder, DV and DVD material is interlaced, so faces of one recording appear in the rows of another.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet opencv-python-headless==5.0.0.93 av==18.1.0 numpy==2.4.6
cat > "$work/show.py" <<'PY'
import sys
from pathlib import Path

import av
import cv2
import numpy as np

folder = Path(sys.argv[1])


def write(name, grey, interlaced):
    with av.open(str(folder / name), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"x264-params": "tff=1"} if interlaced else {})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        if interlaced:
            stream.codec_context.flags |= (1 << 18) | (1 << 29)  # interlaced coding
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((240, 320, 3), grey, np.uint8), format="rgb24")))
        container.mux(stream.encode(None))


def read(name):
    capture, frames = cv2.VideoCapture(str(folder / name)), []
    while True:
        decoded, picture = capture.read()
        if not decoded:
            return frames
        frames.append(int(picture.mean()))


write("progressive.mp4", 200, False)
write("interlaced.mp4", 100, True)
with av.open(str(folder / "interlaced.mp4")) as container:
    truth = [(frame.interlaced_frame, int(frame.to_ndarray(format="rgb24").mean())) for frame in container.decode(video=0)]
print("OpenCV", cv2.__version__, "PyAV", av.__version__)
print("grey of the progressive video in OpenCV:", read("progressive.mp4"))
print("grey of the interlaced video, flagged and decoded by PyAV:", truth)
shown = read("interlaced.mp4")
print("grey of the interlaced video in OpenCV, every read() True:", shown)
assert all(flagged and abs(grey - 100) < 4 for flagged, grey in truth)
assert len(shown) == 5, "the number of frames has changed"
assert all(abs(grey - 100) > 20 for grey in shown), "OpenCV converts interlaced frames now: this finding is out of date"
PY
"$work/venv/bin/python" "$work/show.py" "$work"

#!/usr/bin/env bash
# One would guess: FFmpeg's better deinterlacer, bwdif, deinterlaces a key frame that is given to it on its own.
# What happens: without frames around it, bwdif takes the frame for a still picture and returns it woven; yadif does not.
# Why it matters: a survey of an archive decodes key frames only, and a combed face changes its class.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet av==18.1.0 numpy==2.4.6
cat > "$work/show.py" <<'PY'
import sys
from pathlib import Path

import av
import numpy as np

path = Path(sys.argv[1]) / "camera.mp4"


def moment(left):
    picture = np.full((576, 720, 3), 60, np.uint8)
    picture[144:432, left : left + 120] = 220
    return picture


def combing(frame):
    rows = frame.to_ndarray(format="gray").astype(int)
    return np.abs(2 * rows[1:-1] - rows[:-2] - rows[2:]).mean()


def deinterlace(name, frame):
    graph = av.filter.Graph()
    source = graph.add_buffer(width=720, height=576, format=frame.format, time_base=frame.time_base)
    step = graph.add(name, "mode=send_frame:deint=interlaced")
    source.link_to(step)
    step.link_to(graph.add("buffersink"))
    graph.configure()
    graph.vpush(frame)
    graph.vpush(None)
    return graph.vpull()


with av.open(str(path), "w") as container:
    stream = container.add_stream("libx264", rate=25, options={"x264-params": "tff=1"})
    stream.width, stream.height, stream.pix_fmt = 720, 576, "yuv420p"
    stream.codec_context.flags |= (1 << 18) | (1 << 29)  # interlaced coding
    for number in range(5):
        picture, later = moment(100 + 40 * number), moment(120 + 40 * number)
        picture[1::2] = later[1::2]  # two moments in one frame
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
    container.mux(stream.encode(None))
with av.open(str(path)) as container:
    frame = next(container.decode(video=0))
    found = {"as coded": combing(frame), **{name: combing(deinterlace(name, frame)) for name in ("bwdif", "yadif")}}
print("PyAV", av.__version__, "libavfilter", av.library_versions["libavfilter"], "flagged interlaced:", frame.interlaced_frame)
print("combing of one frame on its own:", {name: round(float(value), 2) for name, value in found.items()})
assert frame.interlaced_frame
assert found["yadif"] < 0.3 * found["as coded"]
assert found["bwdif"] > 0.9 * found["as coded"], "bwdif deinterlaces a single frame now: this finding is out of date"
PY
"$work/venv/bin/python" "$work/show.py" "$work"

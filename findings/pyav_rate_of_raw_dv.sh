#!/usr/bin/env bash
# One would guess: average_rate of a camcorder's raw .dv file is 25 (PAL) or 29.97 (NTSC), as guessed_rate is.
# What happens: average_rate is 60000, the clock of the DV demuxer; the same stream in an .avi gives 25.
# Why it matters: code that turns seconds of ratings into frames by average_rate, as usual, is wrong by a factor of 2400.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet av==18.1.0 numpy==2.4.6
cat > "$work/show.py" <<'PY'
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

folder = Path(sys.argv[1])
KINDS = {"pal": (25, 576, "yuv420p"), "ntsc": (Fraction(30000, 1001), 480, "yuv411p")}
found = {}
for name, (rate, height, format) in KINDS.items():
    for suffix in ("dv", "avi"):
        path = folder / f"{name}.{suffix}"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("dvvideo", rate=rate)
            stream.width, stream.height, stream.pix_fmt = 720, height, format
            for _ in range(10):
                grey = np.full((height, 720, 3), 128, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
            container.mux(stream.encode(None))
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            found[path.name] = (stream.average_rate, stream.guessed_rate)
print("PyAV", av.__version__, "libavformat", av.library_versions["libavformat"])
for name, (average, guessed) in found.items():
    print(f"{name}: average_rate {average}, guessed_rate {guessed}")
assert found["pal.avi"] == (25, 25)
assert found["pal.dv"][1] == 25
assert found["ntsc.dv"][1] == Fraction(30000, 1001)
assert found["pal.dv"][0] == found["ntsc.dv"][0] == 60000, "average_rate has changed: this finding is out of date"
PY
"$work/venv/bin/python" "$work/show.py" "$work"

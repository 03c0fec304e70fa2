"""Memory of training: ours against a plain Keras `fit` of the same network, each in a process of its own.

    python benchmarks/train_memory.py

Three steps on random pictures; the largest resident memory of the process, and that of one which only imports.
"""

import os
import subprocess
import sys
from pathlib import Path

import tyro

ROOT = Path(__file__).parents[1]
CODE = """
import resource, sys
from benchmarks import train_step
from tfaffect.config import Config
which, side, faces = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
if side:
    config = Config(image_size=side, batch_size=faces, weights="none", discriminative_rates="on")
    train_step.fit(getattr(train_step, which)(config), train_step.random_batches(config), 3)
print("measured", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def main(sides: tuple[int, ...] = (64, 240), batch_size: int = 32) -> None:
    """Measure memory.

    Args:
        sides: Sides of the pictures in pixels.
        batch_size: Faces a step.
    """
    print(f"imports alone  {measured('plain', 0, 0):6,.0f} MB")
    for side in sides:
        plain, ours = (measured(which, side, batch_size) for which in ("plain", "ours"))
        print(f"{side:>3} px  plain  {plain:6,.0f} MB  ours {ours:6,.0f} MB, {ours / plain:.2f} of it", flush=True)


def measured(which: str, side: int, batch_size: int) -> float:
    """Return the largest memory of a training in MB."""
    words = [sys.executable, "-c", CODE, which, str(side), str(batch_size)]
    done = subprocess.run(words, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("measured")]
    return float(line.split()[1])


if __name__ == "__main__":
    tyro.cli(main)

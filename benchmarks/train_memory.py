"""Memory of training, compared with a plain Keras `fit` of the same network, each in its own process.

    python benchmarks/train_memory.py

Measures the peak resident memory of a process that trains three steps on random pictures, and of one that only imports.
"""

import sys
from pathlib import Path

import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.scaling import measured

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
        batch_size: Faces in a step.
    """
    print(f"imports only   {measured(CODE, 'plain', 0, 0)[0]:6,.0f} MB")
    for side in sides:
        plain, ours = (measured(CODE, which, side, batch_size)[0] for which in ("plain", "ours"))
        print(f"{side:>3} px  plain  {plain:6,.0f} MB  ours {ours:6,.0f} MB, {ours / plain:.2f} of plain", flush=True)


if __name__ == "__main__":
    tyro.cli(main)

"""Start-up time: the seconds that every command takes to print its help.

python benchmarks/startup.py
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

import tyro

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.commands.test_commands import COMMANDS, ROOT


def main(rounds: int = 5) -> None:
    """Measure `--help` of every command, in turns.

    Args:
        rounds: Number of measurements of each command.
    """
    seconds: dict[str, list[float]] = {" ".join(command): [] for command in COMMANDS}
    for _ in range(rounds):
        for command in COMMANDS:
            start = time.perf_counter()
            subprocess.run([sys.executable, *command, "--help"], cwd=ROOT, capture_output=True, check=True)
            seconds[" ".join(command)].append(time.perf_counter() - start)
    print(f"{'python ... --help':<28} median, s  slowest, s")
    for name, taken in sorted(seconds.items(), key=lambda item: -statistics.median(item[1])):
        print(f"{name:<28} {statistics.median(taken):9.2f}  {max(taken):10.2f}")


if __name__ == "__main__":
    tyro.cli(main)

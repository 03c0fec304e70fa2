"""`python -m export.onnx` in a checkout: the same as `tfaffect export onnx`."""

from tfaffect import cli
from tfaffect.export.onnx import main

if __name__ == "__main__":
    cli.run(main)

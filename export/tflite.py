"""`python -m export.tflite` in a checkout: the same as `tfaffect export tflite`."""

from tfaffect import cli
from tfaffect.export.tflite import main

if __name__ == "__main__":
    cli.run(main)

"""`python -m export.tflite` in a checkout; the code is in tfaffect/export/."""

from tfaffect import cli
from tfaffect.export.tflite import main

if __name__ == "__main__":
    cli.run(main)

"""`python -m export.saved_model` in a checkout; the code is in tfaffect/export/."""

from tfaffect import cli
from tfaffect.export.saved_model import main

if __name__ == "__main__":
    cli.run(main)

"""`python -m export.saved_model` in a checkout: the same as `tfaffect export saved-model`."""

from tfaffect import cli
from tfaffect.export.saved_model import main

if __name__ == "__main__":
    cli.run(main)

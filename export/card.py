"""`python -m export.card` in a checkout: the same as `tfaffect card`."""

from tfaffect import cli
from tfaffect.export.card import main

if __name__ == "__main__":
    cli.run(main)

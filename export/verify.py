"""`python -m export.verify` in a checkout: the same as `tfaffect verify`."""

from tfaffect import cli
from tfaffect.export.verify import main

if __name__ == "__main__":
    cli.run(main)

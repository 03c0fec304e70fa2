"""`python -m export.verify` in a checkout; the code is in tfaffect/export/."""

from tfaffect import cli
from tfaffect.export.verify import main

if __name__ == "__main__":
    cli.run(main)

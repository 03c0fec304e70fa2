"""`python -m demo` in a checkout: the same as `tfaffect demo`."""

from tfaffect import cli
from tfaffect.demo.__main__ import main

if __name__ == "__main__":
    cli.run(main)

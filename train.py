"""`python train.py` in a checkout; the code is in tfaffect/train.py."""

from tfaffect import cli
from tfaffect.train import main

if __name__ == "__main__":
    cli.run(main)

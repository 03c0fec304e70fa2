"""How crops are framed, for those who need the number and not OpenCV."""

MARGIN = 0.1
"""How far a crop reaches beyond the face box on every side, as a share of the box's longer side."""

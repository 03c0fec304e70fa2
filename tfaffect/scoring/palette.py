"""The style of all figures: colours, and axes without a frame."""

from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

# On white: text has a contrast of 4.5 or more, lines and marks of 3 (WCAG 2.2, 1.4.3 and 1.4.11). FAINT is for grids.
INK, MUTED, FAINT, HUE, PEOPLE = "#1f2430", "#6b7180", "#d5d8df", "#3b4cc0", "#b36b00"
LINES = (HUE, "#d1603d", "#2a9d8f", "#8f5fbf", "#9a7d0a", "#5b8ff0", "#a83254", MUTED)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")  # lines also differ by their marks, for eyes that mix up colours
SEQUENTIAL = "magma_r"  # perceptually uniform; light for small values
DARK = 0.445  # from this share of SEQUENTIAL on, white letters are easier to read than black ones; both have 4.6

HALO = [withStroke(linewidth=2.5, foreground="white")]
"""Keeps a line or a label visible on what lies below it."""

DOTS_PER_INCH = 200
"""Of the PNG files of figures, which browsers show at up to 130 pixels an inch."""


def style(axes: Axes) -> None:
    """Keep only the left and the lower spine, in grey."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(MUTED)
    axes.tick_params(color=MUTED, labelcolor=INK)


def label_integers(axes: Axes) -> None:
    """Put the ticks of the x axis at integers."""
    axes.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10], integer=True, min_n_ticks=1))

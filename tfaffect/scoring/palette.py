"""The style of all figures: colours, and axes without a frame."""

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

INK, MUTED, FAINT, HUE, PEOPLE = "#1f2430", "#7b8190", "#d5d8df", "#3b4cc0", "#d98a00"
LINES = (HUE, "#d1603d", "#2a9d8f", "#8f5fbf", "#c29a1c", "#5b8ff0", "#a83254", "#7b8190")
SEQUENTIAL = "magma_r"  # perceptually uniform; light for small values


def style(axes: Axes) -> None:
    """Keep only the left and the lower spine, in grey."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(MUTED)
    axes.tick_params(color=MUTED, labelcolor=INK)


def label_integers(axes: Axes) -> None:
    """Put the ticks of the x axis at integers."""
    axes.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10], integer=True, min_n_ticks=1))

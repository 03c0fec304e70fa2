"""The looks of every figure: its colours, and axes without a frame."""

from matplotlib.axes import Axes

INK, MUTED, FAINT, HUE, PEOPLE = "#1f2430", "#7b8190", "#d5d8df", "#3b4cc0", "#d98a00"
LINES = (HUE, "#d1603d", "#2a9d8f", "#8f5fbf", "#c29a1c", "#5b8ff0", "#a83254", "#7b8190")
SEQUENTIAL = "magma_r"  # perceptually uniform, and light where there is nothing


def style(axes: Axes) -> None:
    """Leave the left and the lower spine, in grey."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(MUTED)
    axes.tick_params(color=MUTED, labelcolor=INK)

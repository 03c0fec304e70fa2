"""Every knob of a run, once: the defaults are the recipe."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from tfaffect.errors import UsageError
from tfaffect.files import atomic

SHARES = (
    *("dropout", "stochastic_depth", "batchnorm_momentum", "weight_averaging", "label_smoothing"),
    *("distillation_weight", "augmentation_probability", "affine_strength", "erasing_probability"),
    "degradation_probability",
)
LISTS = ("corpora", "corpus_weights", "teachers")
"""The fields that are tuples here and lists in a file."""


@dataclass(frozen=True)
class Config:
    """Every knob of a training run."""

    corpora: tuple[str, ...] = ()
    """Prepared corpora to train on, mixed. None named: drawn faces, built on the spot."""
    records: Path = Path("records")
    """Folder of the prepared corpora."""
    corpus_weights: tuple[float, ...] = ()
    """How often each corpus is drawn in an epoch, in the order of --corpora: 0.2 is another fifth of it each time, 2 is
    all of it twice. None named: once."""

    architecture: Literal["efficientnet_b1", "small", "micro"] = "efficientnet_b1"
    """Network below the affective features; `small` and `micro` are residual ones of 1.1 and 0.19 million weights,
    made for pictures of 48 pixels."""
    image_size: int = 240
    """Side of the square input in pixels; EfficientNet-B1 was designed for 240."""
    weights: str = "auto"
    """Start of the backbone: `imagenet`, `none`, or a file (Keras's efficientnetb1_notop.h5, a run's model.keras, or a
    .pth of torchvision or of the original);
    `auto` takes ImageNet's when they can be had, says so when not, and config.json keeps which it was."""
    dropout: float = 0.1
    """Share of the pooled features dropped in training."""
    stochastic_depth: float = 0.2
    """Highest rate at which a residual block is skipped in training; it grows from 0 at the first block."""
    batchnorm_momentum: float = 0.99
    """How slowly BatchNorm's running mean and variance follow; a run of a few hundred steps needs less."""
    affect_range: Literal["bounded", "linear"] = "bounded"
    """Valence and arousal through tanh, or as the linear head of the original."""
    mirror: bool = False
    """Let the report and everything that is made of the run answer with the mean over a face and its mirror image, in
    twice the time. The figures of single epochs are without."""

    epochs: int = 100
    """Epochs at most."""
    patience: int = 30
    """Epochs without a better selection metric before training stops."""
    keep: Literal["best", "last"] = "best"
    """Epoch whose weights model.keras holds: that with the best selection metric, or the last, by which nothing is
    chosen on validation faces."""
    batch_size: int = 64
    """Faces a step; the rest of an epoch that fills no batch is left out."""
    gradient_accumulation_steps: int = 1
    """Batches whose mean gradient makes one step of the optimizer; the schedule counts the optimizer's steps."""
    learning_rate: float = 5e-3
    """Highest learning rate of AdamW."""
    min_learning_rate: float = 1e-4
    """Lowest point of the cosine."""
    warmup_learning_rate: float = 1e-5
    """Where the linear warm-up starts."""
    warmup_steps: int = 100
    """Optimizer steps of the warm-up."""
    annealing_period: int = 5
    """Epochs from the top of the cosine to its lowest point; it climbs back in as many."""
    weight_decay: float = 1e-4
    """Decoupled weight decay."""
    weight_averaging: float = 0.0
    """Share of the weights' moving average that each step keeps, such as 0.999; validation and model.keras then have
    the averaged weights. 0: none."""

    gradual_unfreezing: Literal["auto", "on", "off"] = "auto"
    """Train the newest layer groups first, one more with every epoch; `auto`: unless the backbone starts from random
    weights, where nothing is worth keeping. config.json keeps which it was."""
    groups_at_start: int = 7
    """Layer groups that learn in the first epoch; 7 are the new layers."""
    discriminative_rates: Literal["auto", "on", "off"] = "auto"
    """Let each layer group below the new layers learn more slowly than the one above it; `auto` as above."""
    layer_decay: float = 0.85
    """Rate of a layer group over that of the group above it."""
    min_layer_rate: float = 5e-5
    """Lowest rate of a layer group at the schedule's peak."""

    expression_loss: Literal["focal", "cross_entropy"] = "focal"
    """Loss of the class head; both take vote distributions."""
    focal_gamma: float = 2.0
    """How much the focal loss turns from faces that are classified well already."""
    class_weights: Literal["inverse_frequency", "effective_number", "none"] = "inverse_frequency"
    """Weights of the classes in their loss. On FER+ inverse frequency costs 12 to 15 points of accuracy."""
    expression_loss_weight: float = 10.5
    """Factor of the class loss beside those of valence and arousal."""
    affect_loss: Literal["rmse", "mse", "ccc"] = "rmse"
    """Loss of valence and of arousal."""
    label_smoothing: float = 0.0
    """Share of every class distribution that is spread evenly over the classes."""
    teachers: tuple[str, ...] = ()
    """Runs or exported models whose mean answer to a face is mixed into its classes: distillation."""
    distillation_weight: float = 0.5
    """Share of the teachers in the mixed distribution."""

    augmentation_probability: float = 0.05
    """Probability of each of the eleven picture changes, drawn independently."""
    vertical_flip: bool = False
    """Flip faces upside down as well, as the original did."""
    affine_strength: float = 0.0
    """Mirror every other face, and turn, scale and shift each by up to this share of 15 degrees, 15 % and an eighth of
    the side. 0: none of it."""
    erasing_probability: float = 0.0
    """Probability that a rectangle of a face is painted over with noise."""
    degradation_probability: float = 0.0
    """Probability that a face is blurred by up to 5 % of the side, or has 5 to 60 % of its light left."""
    mixup: float = 0.0
    """Parameter of the Beta distribution by which pairs of faces are mixed; 0: none are."""

    seed: int = 0
    """Decides the first weights, the order of the faces and every change of a picture."""

    precision: Literal["float32", "bfloat16"] = "float32"
    """What the convolutions compute in while they learn; weights and the saved model are float32 in any case. bfloat16
    is for GPUs and, but for EfficientNet-B1, for processors with AMX; other CPUs take twice as long in it."""
    strategy: Literal["auto", "single", "mirrored", "data_parallel"] = "auto"
    """Devices that train together: `mirrored`, all of this machine through TensorFlow; `data_parallel`, all of one or
    of many machines through JAX (KERAS_BACKEND=jax); `auto`: one, but all that JAX sees."""
    tracker: Literal["none", "wandb"] = "none"
    """Send the figures to an experiment tracker too, when its package is installed. TensorBoard's files are always
    written."""

    def __post_init__(self) -> None:
        _check_choices(self)
        for name in (
            "image_size",
            "epochs",
            "patience",
            "batch_size",
            "gradient_accumulation_steps",
            "annealing_period",
            "groups_at_start",
        ):
            _require(self, name, getattr(self, name) >= 1, "at least 1")
        for name in (
            "warmup_steps",
            "weight_decay",
            "focal_gamma",
            "expression_loss_weight",
            "min_learning_rate",
            "min_layer_rate",
            "mixup",
        ):
            _require(self, name, getattr(self, name) >= 0, "at least 0")
        for name in SHARES:
            _require(self, name, 0 <= getattr(self, name) <= 1, "from 0 to 1")
        _require(self, "image_size", self.image_size >= 32, "at least 32: the network halves the picture five times")
        for name in ("dropout", "stochastic_depth", "batchnorm_momentum", "weight_averaging", "label_smoothing"):
            _require(self, name, getattr(self, name) < 1, "below 1")
        _require(self, "learning_rate", self.learning_rate > 0, "above 0")
        _require(self, "corpus_weights", all(0 < weight < math.inf for weight in self.corpus_weights), "above 0")
        _require(self, "corpora", len(set(self.corpora)) == len(self.corpora), "named once each")
        _require(self, "layer_decay", 0 < self.layer_decay <= 1, "above 0, at most 1")
        _require(self, "seed", 0 <= self.seed < 2**31, "from 0 to 2147483647")

    def save(self, path: Path) -> None:
        """Write the config as JSON."""
        values = {name: str(value) if isinstance(value, Path) else value for name, value in asdict(self).items()}
        with atomic.write_file(path) as partial:
            partial.write_text(json.dumps(values, indent=2) + "\n")


def load(path: Path) -> Config:
    """Read a config that `Config.save` wrote, or a recipe in TOML. Raises UsageError for a file that is neither."""
    try:
        text = Path(path).read_text(encoding="utf-8")
        values = tomllib.loads(text) if Path(path).suffix == ".toml" else json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"No config could be read from {path}: {error}") from error
    known = {field.name for field in fields(Config)}
    if not isinstance(values, dict) or set(values) - known:
        received = sorted(set(values) - known) if isinstance(values, dict) else type(values).__name__
        raise UsageError(f"{path} is not a config of this version. Unknown: {received}. Known: {sorted(known)}.")
    return from_values(values)


def from_values(values: Mapping[str, Any]) -> Config:
    """Return a config of values as a file has them: paths are text, tuples are lists, and defaults are left out."""
    tuples = {name: tuple(values.get(name, ())) for name in LISTS}
    return Config(**{**values, **tuples, "records": Path(values.get("records", Config.records))})


def _check_choices(config: Config) -> None:
    for name, kind in get_type_hints(Config).items():
        if choices := get_args(kind) if "Literal" in str(kind) else ():
            _require(config, name, getattr(config, name) in choices, f"one of {', '.join(choices)}")


def _require(config: Config, name: str, holds: bool, expected: str) -> None:
    if not holds:
        raise UsageError(f"{name} must be {expected}. Received: {name}={getattr(config, name)!r}.")


DRAWN_FACES = Config(
    corpora=("synthetic",),
    image_size=40,
    weights="none",
    stochastic_depth=0.0,
    batchnorm_momentum=0.9,
    epochs=5,
    batch_size=32,
    learning_rate=2e-3,
    min_learning_rate=1e-5,
    warmup_steps=30,
    annealing_period=5,
    expression_loss="cross_entropy",
    class_weights="none",
    expression_loss_weight=2.0,
    augmentation_probability=0.0,
)
"""What a run without a corpus does: six minutes on two cores, from scratch, on the embedded drawn faces.

All of it is there to learn in 1,000 steps what the recipe learns in thousands: running statistics that follow within
ten steps, no block skipped, no class weighted, one cosine down. 40 pixels are the smallest side at which the faces can
be told apart; the network then learns from about 100 of them a second. Small batches: 600 steps of 32 gave 92.5 % of
the classes where 300 of 64 gave 89.1 %, at the same cost (of crops along exact outlines; in a detector's boxes 600 gave
70.7 %, 1,000 gave 84.4 %, and 94.7 % since residual blocks start at the identity).
"""

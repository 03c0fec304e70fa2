"""The search space: which knobs of a config are searched, and how far around the config's own values."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from tfaffect.config import Config
from tfaffect.labels import AFFECT, HEADS
from tfaffect.networks.model import GROUPS

if TYPE_CHECKING:
    from keras_tuner import HyperParameters


def suggest(hp: HyperParameters, config: Config, heads: Collection[str] = HEADS, knobs: Collection[str] = ()) -> Config:
    """Return the config with the knobs that a trial draws; every other field is as the config has it.

    `heads` are those that learn from a label. `knobs` restricts to some, by their names in Config. The defaults of `hp`
    are the config's own values. A knob that cannot matter for this config and these labels is not drawn, and neither
    is a 0 whose knob is searched on a log scale.
    """
    draw = _Draw(hp, config, knobs)
    classes, affect = "expression" in heads, any(name in heads for name in AFFECT)
    # AdamW's usual 5e-4 for fine-tuning is a tenth of the recipe's rate; much above the recipe's it diverges.
    draw.by_factor("learning_rate", 10, 3, lowest=config.min_learning_rate)
    draw.by_factor("weight_decay", 100, 100)  # as good as none, to what AdamW needs to be felt
    draw.by_factor("warmup_steps", 4, 4)
    draw.by_factor("annealing_period", 2.5, 3, lowest=1)
    if config.discriminative_rates != "off":
        draw.between("layer_decay", 0.7, 1.0)  # 0.7 leaves the stem a hundredth of the new layers' rate, 1 all of it
    if config.gradual_unfreezing != "off":
        # Fewer than 7 would leave new layers at their random weights, all of them would be no unfreezing.
        draw.between("groups_at_start", 7, len(GROUPS) - 1)
    if classes and affect:
        draw.by_factor("expression_loss_weight", 5, 5)  # a factor on a single loss changes nothing under Adam
    if classes:
        draw.among("expression_loss")
        draw.between("focal_gamma", 0.5, 4, only=("expression_loss", "focal"))  # Lin et al. 2017 tried 0 to 5
        draw.among("class_weights")
    if affect:
        draw.among("affect_loss")
    draw.between("augmentation_probability", 0, 0.3)  # of eleven changes: at 0.3 a face keeps 3, and 1 in 50 none
    draw.between("dropout", 0, 0.5)
    draw.between("stochastic_depth", 0, 0.4)
    draw.corpus_weights(4)
    return draw.config


def describe(hp: HyperParameters) -> list[dict[str, Any]]:
    """Return the knobs of a space in order: name, kind (float, int or choice), log, low, high, choices, default."""
    described = []
    for knob in hp.space:
        choice = type(knob).__name__ == "Choice"
        described.append(
            {
                "name": knob.name,
                "kind": type(knob).__name__.lower(),
                "log": not choice and knob.sampling == "log",
                "low": None if choice else knob.min_value,
                "high": None if choice else knob.max_value,
                "choices": list(knob.values) if choice else [],
                "default": knob.default,
            }
        )
    return described


class _Draw:
    """Draws knobs from the values of a trial, or registers them, into a config."""

    def __init__(self, hp: HyperParameters, config: Config, knobs: Collection[str]) -> None:
        self.hp, self.base, self.config, self.knobs = hp, config, config, knobs

    def by_factor(self, name: str, down: float, up: float, lowest: float = 0) -> None:
        """Draw on a log scale from the config's value divided by `down` to the value times `up`."""
        value = getattr(self.base, name)
        if value > 0:
            self._number(name, max(value / down, min(lowest, value)), value * up, value, sampling="log")

    def between(self, name: str, low: float, high: float, only: tuple[str, str] | None = None) -> None:
        """Draw on a linear scale; a value of the config outside widens it. `only` where another knob has a value."""
        value = getattr(self.base, name)
        parent = {}
        if only and self._wanted(only[0]):
            parent = {"parent_name": only[0], "parent_values": [only[1]]}
        elif only and getattr(self.base, only[0]) != only[1]:
            return
        self._number(name, min(low, value), max(high, value), value, **parent)

    def among(self, name: str) -> None:
        """Draw one of the words that the field takes."""
        if self._wanted(name):
            words = list(get_args(get_type_hints(Config)[name]))
            self._set(name, self.hp.Choice(name, words, default=getattr(self.base, name)))

    def corpus_weights(self, factor: float) -> None:
        """Draw how often each corpus but the first is drawn; all of them together would only stretch the epoch."""
        weights = list(self.base.corpus_weights or [1.0] * len(self.base.corpora))
        if not self._wanted("corpus_weights") or len(weights) < 2:
            return
        for place, corpus in list(enumerate(self.base.corpora))[1:]:
            own = weights[place]
            drawn = self.hp.Float(f"corpus_weights/{corpus}", own / factor, own * factor, sampling="log", default=own)
            weights[place] = _rounded(drawn, own)
        self._set("corpus_weights", tuple(weights))

    def _number(self, name: str, low: float, high: float, value: float, **options: Any) -> None:
        if not self._wanted(name):
            return
        if isinstance(value, int):
            drawn = self.hp.Int(name, max(1, round(low)), round(high), default=value, **options)
        else:
            drawn = self.hp.Float(name, low, high, default=value, **options)
        if drawn is not None:  # None where the knob does not apply
            self._set(name, drawn if isinstance(value, int) else _rounded(drawn, value))

    def _wanted(self, name: str) -> bool:
        return not self.knobs or name in self.knobs

    def _set(self, name: str, value: Any) -> None:
        self.config = replace(self.config, **{name: value})


def _rounded(drawn: float, own: float) -> float:
    """Four digits, which people can copy and no knob needs more of; the config's own value as it is."""
    return own if drawn == own else float(f"{drawn:.4g}")

"""The search space: which knobs of a config are searched, and in which ranges around the config's own values."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any, get_args, get_type_hints

from keras_tuner import HyperParameters

from tfaffect.config import Config
from tfaffect.labels import AFFECT, HEADS
from tfaffect.networks.model import GROUPS


def suggest(hp: HyperParameters, config: Config, heads: Collection[str] = HEADS, knobs: Collection[str] = ()) -> Config:
    """Return the config of a trial: its knobs are sampled, and all other fields are unchanged.

    `heads` are those that have labels. `knobs` are names of Config fields to search, () for all. The defaults in `hp`
    are the config's own values. A knob without effect for this config and these labels is not sampled, and neither is a
    knob with a log scale whose value is 0.
    """
    sampler = _Sampler(hp, config, knobs)
    classes, affect = "expression" in heads, any(name in heads for name in AFFECT)
    # Fine-tuning with AdamW usually takes 5e-4, a tenth of the recipe's rate. Far above the recipe's it diverges.
    sampler.log_scale("learning_rate", 10, 3, lowest=config.min_learning_rate)
    sampler.log_scale("weight_decay", 100, 100)  # from no effect to a clear effect under AdamW
    sampler.log_scale("warmup_steps", 4, 4)
    sampler.log_scale("annealing_period", 2.5, 3, lowest=1)
    if config.discriminative_rates != "off":
        # With 0.7 the first layers learn at a hundredth of the new layers' rate, with 1 at the same rate.
        sampler.linear_scale("layer_decay", 0.7, 1.0)
    if config.gradual_unfreezing != "off":
        # With fewer than 7 groups new layers would keep random weights; all groups would be no unfreezing.
        sampler.linear_scale("groups_at_start", 7, len(GROUPS) - 1)
    if classes and affect:
        sampler.log_scale("expression_loss_weight", 5, 5)  # with a single loss a factor has no effect under Adam
    if classes:
        sampler.choice("expression_loss")
        sampler.linear_scale("focal_gamma", 0.5, 4, only=("expression_loss", "focal"))  # Lin et al. 2017 tried 0 to 5
        sampler.choice("class_weights")
    if affect:
        sampler.choice("affect_loss")
    # Of eleven changes a face gets 3 on average at 0.3, and 1 face in 50 gets none.
    sampler.linear_scale("augmentation_probability", 0, 0.3)
    sampler.linear_scale("dropout", 0, 0.5)
    sampler.linear_scale("stochastic_depth", 0, 0.4)
    sampler.corpus_weights(4)
    return replace(config, **sampler.values)


def describe(hp: HyperParameters) -> list[dict[str, Any]]:
    """Return the knobs of a space in order: name, kind (float, int or choice), log, low, high, choices, default."""
    return [
        {
            "name": knob.name,
            "kind": type(knob).__name__.lower(),
            "log": getattr(knob, "sampling", None) == "log",
            "low": getattr(knob, "min_value", None),
            "high": getattr(knob, "max_value", None),
            "choices": [*getattr(knob, "values", [])] if type(knob).__name__ == "Choice" else [],
            "default": knob.default,
        }
        for knob in hp.space
    ]


def round_value(value: Any) -> Any:
    """Round a real number to four digits, which are enough and easy to copy."""
    return float(f"{value:.4g}") if isinstance(value, float) else value


class _Sampler:
    """Collects the values of a trial, or registers the knobs in a new space."""

    def __init__(self, hp: HyperParameters, config: Config, knobs: Collection[str]) -> None:
        self.hp, self.base, self.knobs = hp, config, knobs
        self.values: dict[str, Any] = {}

    def log_scale(self, name: str, down: float, up: float, lowest: float = 0) -> None:
        """Sample on a log scale from the config's value divided by `down` to the value times `up`."""
        value = getattr(self.base, name)
        if value > 0:
            self._number(name, max(value / down, min(lowest, value)), value * up, sampling="log")

    def linear_scale(self, name: str, low: float, high: float, only: tuple[str, str] | None = None) -> None:
        """Sample on a linear scale; the range includes the config's value. `only` if another knob has a value."""
        value = getattr(self.base, name)
        parent: dict[str, Any] = {}
        if only and self._is_searched(only[0]):
            parent = {"parent_name": only[0], "parent_values": [only[1]]}
        elif only and getattr(self.base, only[0]) != only[1]:
            return
        self._number(name, min(low, value), max(high, value), **parent)

    def choice(self, name: str) -> None:
        """Sample one of the words that the field accepts."""
        if self._is_searched(name):
            words = list(get_args(get_type_hints(Config)[name]))
            self.values[name] = self.hp.Choice(name, words, default=getattr(self.base, name))

    def corpus_weights(self, factor: float) -> None:
        """Sample the weight of each corpus but the first; a common factor would only make the epoch longer."""
        own = self.base.corpus_weights or [1.0] * len(self.base.corpora)
        if self._is_searched("corpus_weights") and len(own) > 1:
            drawn = (
                self._draw(f"corpus_weights/{corpus}", weight / factor, weight * factor, weight, sampling="log")
                for corpus, weight in zip(self.base.corpora[1:], own[1:], strict=False)
            )
            self.values["corpus_weights"] = (own[0], *drawn)

    def _number(self, name: str, low: float, high: float, **options: Any) -> None:
        if self._is_searched(name):
            value = self._draw(name, low, high, getattr(self.base, name), **options)
            if value is not None:
                self.values[name] = value

    def _draw(self, name: str, low: float, high: float, own: float, **options: Any) -> float | None:
        """Return a number with four digits, or the config's own one exactly; None if the trial does not use it."""
        if isinstance(own, int):
            return self.hp.Int(name, max(1, round(low)), round(high), default=own, **options)
        value = self.hp.Float(name, low, high, default=own, **options)
        return value if value == own else round_value(value)

    def _is_searched(self, name: str) -> bool:
        return not self.knobs or name in self.knobs

#!/usr/bin/env bash
# One would guess: hp.Int("units", 32, 512, sampling="log") gives at most 512, and a search does not repeat a trial.
# What happens: where more is better, Bayesian optimisation proposes 513, and the same 513 in most of its trials.
# Why it matters: sizes and steps above a limit break networks and schedules, and each repeated trial costs a training.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "keras-tuner[bayesian]==1.4.8" keras==3.15.1 jax==0.10.2 six==1.17.0
cat > "$work/show.py" <<'PY'
import sys

import keras_tuner
from keras_tuner.oracles import BayesianOptimizationOracle

space = keras_tuner.HyperParameters()
space.Int("units", 32, 512, sampling="log")
oracle = BayesianOptimizationOracle(
    objective=keras_tuner.Objective("score", "max"), max_trials=12, hyperparameters=space, seed=0
)
oracle._set_project_dir(sys.argv[1], "search")
proposed = []
for _ in range(12):
    trial = oracle.create_trial("worker")
    proposed.append(trial.hyperparameters.get("units"))
    oracle.update_trial(trial.trial_id, {"score": float(proposed[-1])})  # more units are better
    trial.status = "COMPLETED"
    oracle.end_trial(trial)
print("keras-tuner", keras_tuner.__version__, "proposes, for 32 to 512 units:", proposed)
assert max(proposed) == 513, "the highest value is kept now: this finding is out of date"
assert proposed.count(513) > 1, "no trial is repeated now: this finding is out of date"
PY
KERAS_BACKEND=jax "$work/venv/bin/python" "$work/show.py" "$work"

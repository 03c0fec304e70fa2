"""Replicas of tf.distribute, for losses and metrics. JAX counts as one replica, with any number of devices."""

from typing import Any

import keras


def replicas() -> int:
    """Return the number of replicas whose gradients and metric variables are summed."""
    if keras.backend.backend() != "tensorflow":
        return 1
    import tensorflow as tf

    return tf.distribute.get_strategy().num_replicas_in_sync


def replica() -> Any:
    """Return the index of the current replica, from 0; 0 outside of replicas."""
    if replicas() == 1:
        return 0
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    return 0 if context is None else context.replica_id_in_sync_group

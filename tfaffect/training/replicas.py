"""The replicas of tf.distribute, as losses and metrics have to know them; JAX has one, whatever its devices."""

import keras


def replicas() -> int:
    """Return how many replicas add up their gradients, and what their metrics have kept."""
    return _strategy().num_replicas_in_sync if keras.backend.backend() == "tensorflow" else 1


def replica():
    """Return the number of the replica that runs now, from 0; 0 outside of all of them."""
    if replicas() == 1:
        return 0
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    return 0 if context is None else context.replica_id_in_sync_group


def _strategy():
    import tensorflow as tf

    return tf.distribute.get_strategy()

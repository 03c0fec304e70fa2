"""A small network that is real where it matters: it has the layer names of EfficientNet-B1."""

import keras
from keras import layers


def small_backbone(image_size=32):
    """Return a network with the groups of EfficientNet-B1 that traces in a second."""
    picture = keras.Input((image_size, image_size, 3), dtype="uint8", name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="rescaling")(picture)
    for name, filters, stride in [
        ("stem", 16, 2),
        *((f"block{number}a", 24, 2 if number in (2, 4) else 1) for number in range(1, 8)),
        ("top", 64, 1),
    ]:
        x = layers.Conv2D(filters, 3, stride, padding="same", use_bias=False, name=f"{name}_conv")(x)
        x = layers.BatchNormalization(momentum=0.9, name=f"{name}_bn")(x)
        x = layers.Activation("relu", name=f"{name}_activation")(x)
    return keras.Model(picture, x, name="small")

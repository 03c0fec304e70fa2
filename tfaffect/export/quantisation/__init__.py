"""TFLite files of smaller weights and integer arithmetic: the recipes, what they promise, and how they are made."""

"""Beside the house: makes the model folder. TensorFlow lives here and nowhere else."""


class LearningError(Exception):
    """Something that keeps a model from being made or measured; the message says what to do."""

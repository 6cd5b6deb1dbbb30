"""Beside the house: makes the model folder. TensorFlow lives here and nowhere else."""

"""Train a LoRA adapter on pairs: encode latents, draw samples, run the loop, resume."""

from simlift.training.recipe import TrainRecipe

__all__ = ["TrainRecipe"]

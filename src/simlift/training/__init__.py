"""Pairs -> an adapter: latents cached once, draws by step, a loop, a state to resume from."""

from simlift.training.recipe import TrainRecipe

__all__ = ["TrainRecipe"]

"""Pairs -> an adapter: latents cached once, draws, the training loop, its states."""

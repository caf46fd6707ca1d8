"""Compute direct and indirect light: environments, shadows, reflections."""

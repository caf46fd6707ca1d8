"""Define the core values: clip, window, score, recipe, run; protocols; errors; JSON."""

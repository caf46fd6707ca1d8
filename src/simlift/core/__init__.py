"""The vocabulary as frozen values: clip, window, score, recipe, run; protocols; errors; JSON."""

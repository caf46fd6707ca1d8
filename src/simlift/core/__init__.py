"""The vocabulary as frozen values: clip, window, seams, score, recipe, run; errors; strict JSON."""

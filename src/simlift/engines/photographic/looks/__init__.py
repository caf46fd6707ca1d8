"""Looks: settings, names, sampling, and the vocabulary of --prompt."""

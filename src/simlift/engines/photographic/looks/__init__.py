"""Define looks: settings, names, random sampling, and the vocabulary of --prompt."""

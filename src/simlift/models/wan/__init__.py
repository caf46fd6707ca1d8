"""Wan video models: their parts, in-context conditioning, adapters, cost."""

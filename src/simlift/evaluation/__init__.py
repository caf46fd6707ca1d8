"""Measure takes against their renders and twins, and decide which are accepted."""

"""Simulate fog, rain and snow on arrays."""

"""Fog, rain and snow as arrays."""

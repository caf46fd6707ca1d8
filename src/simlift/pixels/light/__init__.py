"""Environments, shading, occlusion, probes and reflections as arrays."""

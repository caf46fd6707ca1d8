"""Lens, shutter, sensor and film as arrays."""

"""Simulate lens, shutter, Bayer sensor and film on arrays."""

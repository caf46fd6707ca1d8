"""Focus, shutter, lens, and colours transferred from reference photos."""

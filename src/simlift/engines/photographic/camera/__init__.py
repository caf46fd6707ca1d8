"""Model the camera: focus, shutter, lens, and colour transfer from reference photos."""

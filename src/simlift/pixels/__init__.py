"""Numbers only: colour, light, lens, sensor, camera geometry, warping. No files, no clips."""

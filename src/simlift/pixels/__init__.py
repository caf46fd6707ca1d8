"""Do image arithmetic on arrays: colour, light, lens, sensor, camera geometry, weather."""

"""Window -> frames: photographic (default) and echo."""

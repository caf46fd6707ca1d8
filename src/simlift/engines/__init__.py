"""Window -> frames: photographic (default) and echo."""

NAMES = {
    "photographic": "simlift.engines.photographic.spec:Photographic",
    "echo": "simlift.engines.echo:Echo",
}

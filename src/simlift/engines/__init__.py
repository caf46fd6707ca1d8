"""Window -> frames: photographic (default), echo and pathtraced."""

NAMES = {
    "photographic": "simlift.engines.photographic.spec:Photographic",
    "echo": "simlift.engines.echo:Echo",
    "pathtraced": "simlift.engines.pathtraced.spec:PathTraced",
}

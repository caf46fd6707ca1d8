"""Window -> frames: photographic (default), echo, pathtraced, and those with learned weights."""

NAMES = {
    "photographic": "simlift.engines.photographic.spec:Photographic",
    "echo": "simlift.engines.echo:Echo",
    "pathtraced": "simlift.engines.pathtraced.spec:PathTraced",
    "wan": "simlift.engines.wan.spec:Wan",
}

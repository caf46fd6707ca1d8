"""Window -> frames: photographic (default), echo, pathtraced, and those with learned weights."""

NAMES = {
    "photographic": "simlift.engines.photographic.spec:Photographic",
    "echo": "simlift.engines.echo:Echo",
    "pathtraced": "simlift.engines.pathtraced.spec:PathTraced",
    "wan": "simlift.engines.wan.spec:Wan",
    "keyframed": "simlift.engines.keyframed.spec:Keyframed",
    "lucy": "simlift.engines.baselines.lucy:Lucy",
    "ditto": "simlift.engines.baselines.ditto:Ditto",
    "cosmos": "simlift.engines.baselines.cosmos:Cosmos",
    "ltx": "simlift.engines.baselines.ltx:Ltx",
    "aleph": "simlift.engines.baselines.aleph:Aleph",
}

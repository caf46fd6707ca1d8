"""List the engines: photographic (default), echo, pathtraced, and those with learned weights."""

NAMES = {
    "photographic": "simlift.engines.photographic.spec:Photographic",
    "echo": "simlift.engines.echo:Echo",
    "pathtraced": "simlift.engines.pathtraced.spec:PathTraced",
    "wan": "simlift.engines.wan.spec:Wan",
    "keyframed": "simlift.engines.keyframed.spec:Keyframed",
    "lucy": "simlift.engines.diffusers.lucy:Lucy",
    "ditto": "simlift.engines.diffusers.ditto:Ditto",
    "cosmos": "simlift.engines.diffusers.cosmos:Cosmos",
    "ltx": "simlift.engines.diffusers.ltx:Ltx",
    "oscar": "simlift.engines.oscar.spec:Oscar",
    "aleph": "simlift.engines.remote.aleph:Aleph",
}

# The extra that an engine runs with; the others need none. Those of `realmaster` run on torch.
EXTRAS = {
    "pathtraced": "pathtraced",
    "wan": "realmaster",
    "keyframed": "realmaster",
    "lucy": "realmaster",
    "ditto": "realmaster",
    "cosmos": "realmaster",
    "ltx": "realmaster",
}

# Engines beside those of `realmaster` that take a device: a model of torch may make first frames.
ON_A_DEVICE = frozenset({"oscar"})

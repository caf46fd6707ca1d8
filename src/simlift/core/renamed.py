"""List renamed keys, values, methods and classes, so that an error names the new one."""

# key -> key, told where the old key is unknown to a class and the new one is a field of it:
# `turn` and `levels` are good names elsewhere.
KEYS = {
    "turn": "switch_every",
    "rate_high": "lr_high",
    "rate_low": "lr_low",
    "levels": "timestep_sampling",
    "max_seam_ratio": "max_window_jump_ratio",
    "seams": "window_starts",
}

# value -> value, told where the old one is not allowed and the new one is
VALUES = {"expert": "model", "block": "layer", "group": "layer", "sequential": "layer"}

# a method that the spec of an engine must offer -> what it was called
METHODS = {"window_size": "span"}

# module:Class, as recipes name engines
CLASSES = {
    "simlift.engines.baselines.lucy:Lucy": "simlift.engines.diffusers.lucy:Lucy",
    "simlift.engines.baselines.ditto:Ditto": "simlift.engines.diffusers.ditto:Ditto",
    "simlift.engines.baselines.cosmos:Cosmos": "simlift.engines.diffusers.cosmos:Cosmos",
    "simlift.engines.baselines.ltx:Ltx": "simlift.engines.diffusers.ltx:Ltx",
    "simlift.engines.baselines.aleph:Aleph": "simlift.engines.remote.aleph:Aleph",
}

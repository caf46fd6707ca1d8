"""Light surfaces: environment maps, shading, occlusion, irradiance probes, reflections."""

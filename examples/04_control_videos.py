"""Draw the condition videos that generators take, from a shipped episode's own layers."""

import sys
from pathlib import Path

from simlift import Layer, open_clip
from simlift.controls import DepthControl, Edges, EngineEdges, Segmentation
from simlift.core.clip_sample import sample_clip
from simlift.passes.control_videos import draw_controls
from simlift.passes.demo import episode_path

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "out/controls")
clip = open_clip(episode_path("drive"))

# Near and far are fixed from a clip sample of the whole clip, so that the depth video never pumps.
with clip.open([Layer.RGB, Layer.DEPTH]) as reader:
    depth = DepthControl.fitted(sample_clip(reader))

controls = {
    "edges": Edges(),
    "geometry": EngineEdges(),
    "depth": depth,
    "segmentation": Segmentation(),
}
for name, path in draw_controls(clip, controls, folder).items():
    print(f"{name}: {path}")

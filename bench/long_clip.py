"""Peak memory of lifting a short and a 10,000-frame clip, each in a process of its own.

python bench/long_clip.py [--frames 10000]
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np

from simlift.media.video.writer import write_video

HEIGHT, WIDTH = 480, 832


def make_clip(path: Path, num_frames: int) -> None:
    """Write a clip whose pattern moves by a pixel in every frame."""
    generator = np.random.default_rng(0)
    tile = np.kron(generator.integers(0, 255, (HEIGHT // 16, WIDTH // 16, 3)), np.ones((16, 16, 1)))
    frame = tile.astype(np.uint8)
    with write_video(path, height=HEIGHT, width=WIDTH, fps=Fraction(24)) as writer:
        for t in range(num_frames):
            writer.append(np.roll(frame, t, axis=1)[None])


def peak_of_lift(clip: Path, run: Path) -> float:
    """Lift a clip in a new process and return that process's peak memory in megabytes."""
    program = (
        "import resource, sys\n"
        "from simlift.cli import main\n"
        "try:\n"
        "    main(['lift', sys.argv[1], '--out', sys.argv[2]])\n"
        "except SystemExit as end:\n"
        "    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "    print('peak', peak, end.code)\n"
    )
    out = subprocess.run(
        [sys.executable, "-c", program, str(clip), str(run)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    _, peak, code = out.splitlines()[-1].split()
    if code != "0":
        raise SystemExit(f"the lift failed: {out}")
    return float(peak) / (1024 if sys.platform == "linux" else 1024**2)


def main() -> None:
    """Print peak memory for three lengths."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(f"{WIDTH}x{HEIGHT}, plain video, one worker")
        for num_frames in (100, options.frames // 10, options.frames):
            clip = Path(folder) / f"{num_frames}.mp4"
            make_clip(clip, num_frames)
            peak = peak_of_lift(clip, Path(folder) / f"run-{num_frames}")
            print(f"  {num_frames:6d} frames   peak {peak:7.0f} MB")
            clip.unlink()
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    print(f"processor time of all lifts: {children:.0f} s")


if __name__ == "__main__":
    main()

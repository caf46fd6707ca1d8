"""A finished demo run -> the pictures in docs/images: renders beside their takes.

simlift demo --out demo-run && python docs/pictures.py demo-run
"""

import sys
from pathlib import Path

import cv2
import numpy as np

from simlift import Run
from simlift.media.images import write_image
from simlift.media.video import VideoStore, probe_video
from simlift.runs.demo import EPISODES, LOOKS, episode_path

FRAMES = {"tabletop": 33, "drive": 14}
SHOWN = {"tabletop": "hard", "drive": "day"}
IMAGES = Path(__file__).parent / "images"


def frame(video: Path, index: int) -> np.ndarray:
    """Return one frame of a video."""
    with VideoStore(probe_video(video)).open() as reader:
        return reader.read([index])[0]


def titled(picture: np.ndarray, title: str) -> np.ndarray:
    """Write a title into the lower left corner."""
    out = picture.copy()
    cv2.rectangle(out, (0, 332), (14 + 10 * len(title), 360), (0, 0, 0), cv2.FILLED)
    font = cv2.FONT_HERSHEY_SIMPLEX
    cv2.putText(out, title, (8, 351), font, 0.55, (255, 255, 255), 1, cv2.LINE_AA)
    return out


def main() -> None:
    """Write one sheet for each episode and the picture of the README."""
    run = Run(Path(sys.argv[1] if len(sys.argv) > 1 else "demo-run"))
    IMAGES.mkdir(exist_ok=True)
    pairs = []
    for name in EPISODES:
        index = FRAMES[name]
        render = titled(frame(episode_path(name) / "rgb.mp4", index), "the simulator's render")
        takes = [
            titled(frame(run.path / "takes" / name / f"{look}.mp4", index), f"take: {look}")
            for look in LOOKS
        ]
        rows = [np.hstack(row) for row in ((render, takes[0]), (takes[1], takes[3]))]
        write_image(IMAGES / f"{name}.jpg", np.vstack(rows))
        shown = list(LOOKS).index(SHOWN[name])
        pairs.append(np.hstack([render, takes[shown]]))
    write_image(IMAGES / "readme.jpg", np.vstack(pairs))


if __name__ == "__main__":
    main()

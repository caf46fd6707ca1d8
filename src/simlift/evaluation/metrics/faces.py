"""Measure whether faces and the identity of persons are kept from a render to its target.

The networks are the user's: a YuNet detector and an SFace recogniser as ONNX files, in the form
that OpenCV's model zoo has them.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from simlift.core.errors import RecipeError
from simlift.core.window import Frames

Face = Float[np.ndarray, "15"]  # x, y, width, height, five points, and how sure it is
_OVERLAP = 0.3  # of two boxes (intersection over union) that show one face


@dataclass(frozen=True)
class FaceModels:
    """The files of both networks; `sure` is the detector's score from which a face counts.

    `every` frames one is looked at; faces lower than `smallest` pixels have no identity to keep.
    """

    detector: Path
    recogniser: Path
    sure: float = 0.7
    every: int = 8
    smallest: int = 32

    def check(self) -> None:
        """Raise RecipeError unless both networks can be opened."""
        with self.open():
            pass

    @contextmanager
    def open(self) -> Iterator["FaceReader"]:
        """Load both networks."""
        for path in (self.detector, self.recogniser):
            if not path.is_file():
                raise RecipeError(
                    path,
                    "does not exist",
                    allowed="an ONNX file: YuNet to find faces, SFace to tell them apart",
                    way_out="leave both out: the gate then knows nothing of faces",
                )
        try:
            detector = cv2.FaceDetectorYN.create(str(self.detector), "", (320, 320), self.sure)
            recogniser = cv2.FaceRecognizerSF.create(str(self.recogniser), "")
        except cv2.error as error:
            reason = str(error).strip().splitlines()[-1][:160]
            raise RecipeError(
                f"{self.detector}, {self.recogniser}",
                f"cannot be opened ({reason})",
                allowed="face_detection_yunet and face_recognition_sface of OpenCV's model zoo",
            ) from error
        yield OpenCvFaces(detector, recogniser)


class FaceReader(Protocol):
    """Finds faces and tells how alike two are."""

    def find(self, image: UInt8[np.ndarray, "h w 3"]) -> list[Face]:
        """Return the faces of an image."""
        ...

    def similarity(
        self,
        one: UInt8[np.ndarray, "h w 3"],
        face: Face,
        other: UInt8[np.ndarray, "h w 3"],
        other_face: Face,
    ) -> float:
        """Return the cosine of two faces' features: 1 for the same picture."""
        ...


class OpenCvFaces:
    """Both networks, opened."""

    def __init__(self, detector: cv2.FaceDetectorYN, recogniser: cv2.FaceRecognizerSF) -> None:
        self._detector, self._recogniser = detector, recogniser

    def find(self, image: UInt8[np.ndarray, "h w 3"]) -> list[Face]:
        """Return the faces of an image."""
        self._detector.setInputSize((image.shape[1], image.shape[0]))
        _, found = self._detector.detect(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        return [] if found is None else [np.asarray(face, np.float32) for face in found]

    def similarity(
        self,
        one: UInt8[np.ndarray, "h w 3"],
        face: Face,
        other: UInt8[np.ndarray, "h w 3"],
        other_face: Face,
    ) -> float:
        """Return the cosine of two faces' features: 1 for the same picture."""
        features = [self._feature(image, at) for image, at in ((one, face), (other, other_face))]
        kind = cv2.FaceRecognizerSF_FR_COSINE
        return float(self._recogniser.match(features[0], features[1], kind))

    def _feature(self, image: UInt8[np.ndarray, "h w 3"], face: Face) -> np.ndarray:
        upright = self._recogniser.alignCrop(cv2.cvtColor(image, cv2.COLOR_RGB2BGR), face)
        return self._recogniser.feature(upright).copy()


def face_scores(
    models: FaceModels, reader: FaceReader, render: Frames, target: Frames
) -> dict[str, float]:
    """Return `face_similarity` and `face_found`; nothing where the render shows no face.

    Every face of the render that is large enough is looked for in the target at the same place.
    `face_found` is the share that is there, `face_similarity` the mean likeness of those.
    """
    found, alike = 0, []
    for i in range(0, len(render), models.every):
        faces = [face for face in reader.find(render[i]) if face[3] >= models.smallest]
        if not faces:
            continue
        others = reader.find(target[i])
        for face in faces:
            found += 1
            there = max(others, key=lambda other: overlap(face, other), default=None)
            if there is not None and overlap(face, there) >= _OVERLAP:
                alike.append(reader.similarity(render[i], face, target[i], there))
    if not found:
        return {}
    scores = {"face_found": len(alike) / found}
    return scores | ({"face_similarity": float(np.mean(alike))} if alike else {})


def overlap(one: Sequence[float] | Face, other: Sequence[float] | Face) -> float:
    """Return intersection over union of two boxes (x, y, width, height, ...)."""
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    shared = max(float(width), 0.0) * max(float(height), 0.0)
    return shared / max(float(one[2] * one[3] + other[2] * other[3]) - shared, 1e-9)

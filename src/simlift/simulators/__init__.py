"""Record episodes from embedded simulators: layers, poses, names and actions.

MuJoCo and the robot's model are needed only to simulate, not to import or to describe a scene.
"""

from simlift.simulators.drive.scene import Drive
from simlift.simulators.mjcf.scene import ModelScene
from simlift.simulators.record import record
from simlift.simulators.recording import Actions, Frame, Recording, Scene
from simlift.simulators.tabletop.scene import Tabletop

__all__ = [
    "Actions",
    "Drive",
    "Frame",
    "ModelScene",
    "Recording",
    "Scene",
    "Tabletop",
    "record",
]

"""Small robots as files: a planar arm, one of seven joints with a mimicking gripper, a gantry."""

from pathlib import Path

HINGE = """
  <joint name="{name}" type="{kind}">
    <parent link="{parent}"/><child link="{child}"/>
    <origin xyz="{xyz}" rpy="{rpy}"/><axis xyz="{axis}"/>
    <limit lower="-3" upper="3" effort="1" velocity="1"/>{more}
  </joint>"""


def hinge(
    name: str,
    parent: str,
    child: str,
    xyz: str = "0 0 0",
    rpy: str = "0 0 0",
    axis: str = "0 0 1",
    kind: str = "revolute",
    more: str = "",
) -> str:
    """One joint of URDF."""
    return HINGE.format(
        name=name, parent=parent, child=child, xyz=xyz, rpy=rpy, axis=axis, kind=kind, more=more
    )


def urdf(path: Path, links: str, joints: str) -> Path:
    """Write a URDF of some links, named with spaces between, and joints."""
    body = "".join(f'\n  <link name="{name}"/>' for name in links.split())
    path.write_text(f'<?xml version="1.0"?>\n<robot name="tiny">{body}{joints}\n</robot>\n')
    return path


def planar(path: Path) -> Path:
    """Two hinges about z, arms of 0.5 m and 0.3 m along x."""
    return urdf(
        path,
        "base upper lower tip",
        hinge("shoulder", "base", "upper")
        + hinge("elbow", "upper", "lower", xyz="0.5 0 0")
        + hinge("end", "lower", "tip", xyz="0.3 0 0", kind="fixed"),
    )


def seven(path: Path) -> Path:
    """Seven hinges whose frames are turned and shifted, and two fingers, of which one mimics."""
    links = " ".join(f"link{i}" for i in range(8)) + " left right"
    turns = ("0 0 0", "-1.5708 0 0", "1.5708 0 0.3", "0.2 1.1 0", "-1.5708 0 0", "1 0.4 0", "0 0 2")
    joints = "".join(
        hinge(
            f"j{i + 1}", f"link{i}", f"link{i + 1}", f"0.0{i} 0.1 0.{i + 1}", turns[i], "0 0.6 0.8"
        )
        for i in range(7)
    )
    mimic = '<mimic joint="finger" multiplier="-1" offset="0.01"/>'
    joints += hinge("finger", "link7", "left", "0 0 0.1", axis="0 1 0", kind="prismatic")
    joints += hinge(
        "other", "link7", "right", "0 0 0.1", axis="0 1 0", kind="prismatic", more=mimic
    )
    return urdf(path, links, joints)


def gantry(path: Path) -> Path:
    """Three slides, along x, y and z: the tip is where they say."""
    names = ("x", "y", "z")
    axes = ("1 0 0", "0 1 0", "0 0 1")
    links = ("base", "bridge", "trolley", "tip")
    joints = "".join(
        hinge(f"slide_{n}", links[k], links[k + 1], axis=axes[k], kind="prismatic")
        for k, n in enumerate(names)
    )
    return urdf(path, " ".join(links), joints)


MJCF = """
<mujoco>
  <compiler angle="degree"/>
  <default>
    <joint axis="0 0 1"/>
    <default class="lift"><joint type="slide" axis="0 0 1"/></default>
  </default>
  <worldbody>
    <body name="stand" pos="0.1 0 0.5" euler="0 0 30">
      <geom size="0.1"/>
      <body name="upper" pos="0 0 0.2" quat="0.9 0.1 0.2 0.3">
        <joint name="turn" pos="0.05 0.02 0" axis="0 1 0" range="-90 90" ref="20"/>
        <joint name="roll" pos="0 0 0.1" axis="1 0 0"/>
        <geom size="0.1"/>
        <body name="fore" pos="0.3 0 0">
          <joint name="reach" class="lift"/>
          <geom size="0.1"/>
        </body>
      </body>
    </body>
  </worldbody>
</mujoco>
"""

"""Know robots: their kinematics from URDF and MJCF, what a user says of them, whether that fits."""

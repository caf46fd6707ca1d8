"""Lift simulator video into photorealistic video, and prove that its labels still hold."""

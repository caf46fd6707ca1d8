"""Measure what lifted episodes are worth to an image policy: behaviour cloning under shifts."""

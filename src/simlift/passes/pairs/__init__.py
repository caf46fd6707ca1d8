"""Make training pairs: plan segments, make targets, check quality, store the results."""

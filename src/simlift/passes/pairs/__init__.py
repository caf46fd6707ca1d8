"""Make training pairs: plan segments, make or take their targets, judge, keep row by row."""

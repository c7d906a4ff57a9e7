"""One module a step, in order; the number in its name is its revision."""

"""A file of any picture format → the model's input, in honest RGB, within a bounded amount of memory.

`examine` reads headers only; `check` holds what they promise against the limits; `decode` makes the picture, in
Pillow's own layout, and `fit` cuts it as the model wants it. Formats are told by content, never by name. Memory is the
scarce thing: a decoded picture is held once (1, 2 or 4 bytes a pixel) and turned into RGB strip by strip while it
shrinks.
"""

from actions.classify.pictures.examined import Examined, Limits, check
from actions.classify.pictures.fitting import fit
from actions.classify.pictures.frame import Frame
from actions.classify.pictures.reading import decode, examine

__all__ = ["Examined", "Frame", "Limits", "check", "decode", "examine", "fit"]

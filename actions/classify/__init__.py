"""Stage `classify`: an event, an object's name or an image comes in; outcomes with labels or a typed reason go out."""

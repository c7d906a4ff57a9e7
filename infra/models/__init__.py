"""Models as objects: kept by name in the user's cache, tried before they are let in, switched, compared."""

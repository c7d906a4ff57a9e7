"""The action container's side of OpenWhisk's contract for Python: `POST /init` once, then `POST /run` again and again.

It stands for `openwhisk-runtime-python`'s proxy and launcher, which are two processes. Here there is one, of the
standard library only: the action is imported and called in this very process, in its main thread, so that a call costs
no hop and a container no second interpreter. The same files are a container's entry point and a local process:

    python proxy/__main__.py [--listen HOST:PORT | unix:PATH | fd:NUMBER | connection:NUMBER]
                             [--path DIRECTORY]… [--preload MODULE]… [--preload-path DIRECTORY]…

`PIXWHISK_LISTEN`, `PIXWHISK_PRELOAD` and `PIXWHISK_PRELOAD_PATH` (comma separated) say the same. `--path` adds to where
libraries are found. `GET /` answers once preloading is over.

Preloading. A stem cell imports the modules it is told of before any action is known, and calls `preload()` of those
that have one. Modules found under a preload path (default: beside this directory) belong to actions. At `/init` each
stays in use only if the action brings a byte-identical file for it, and for all it imported; it then counts as the
action's own: `__file__` and `__path__` point to the action's copy. All others are forgotten, and the path is taken
away, so an action sees its own files or none. A library from elsewhere is forgotten only if the action brings one of
the same name. What a kept module read at import (the environment, say) is as old as the stem cell.

What an action's `main` raises is an application error, with the traceback on stderr. Output up to the sentinel belongs
to the call. `dataclasses`, `typing` and `zipfile` are avoided here because each delays a cold start by 5 to 10 ms.
"""

"""OpenWhisk as a client sees it: its API, and manifest, zips and plan, by which `deploy` fills a namespace."""

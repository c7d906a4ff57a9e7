"""Web action `view`: a query string in, the newest results out, as a page for people or JSON for programs."""

"""What `pixwhisk bench` measures: a deployment in, a document of figures out, each beside its comparison."""

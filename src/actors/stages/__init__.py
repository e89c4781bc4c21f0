"""The stages of a pipeline, one file each, named as in the experiment file."""

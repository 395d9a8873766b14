"""An app that registers a Lapp of a name that is taken."""

"""What crosses the layers on the way out: plain frozen records, standard library only."""

"""An encoder, a data set and a method for srmm, to start your own from."""

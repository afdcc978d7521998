"""What is copied beside an exported model, to run without srmm: no module here imports it."""
